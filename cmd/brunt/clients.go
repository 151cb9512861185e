package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/decode"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// How brunt talks to API servers. There is no timeout on whole requests, since
// watches last; callers bound each call by its context.
const (
	clusterDialBound = 5 * time.Second
	clusterQPS       = 50
	clusterBurst     = 100
)

// clusterFor says how to reach the cluster that a target names, without
// connecting. Beside it comes the target with its files absolute and its context
// named, which finds the same cluster again from another folder and with
// another environment; in a pod, by its service account, both stay empty.
//
// What goes wrong on the way to the server, or with the credentials, is told by
// the errors of the calls themselves.
func clusterFor(target chaos.Kubernetes) (*rest.Config, chaos.Kubernetes, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.WarnIfAllMissing = false
	if target.Kubeconfig != "" {
		files := filepath.SplitList(target.Kubeconfig)
		for _, file := range files {
			if _, err := os.Stat(file); err != nil && len(files) == 1 {
				return nil, target, fmt.Errorf("read kubeconfig: %w", err)
			}
		}
		rules.Precedence = files
	}
	for i, file := range rules.Precedence {
		if full, err := filepath.Abs(file); err == nil {
			rules.Precedence[i] = full
		}
	}
	merged, err := rules.Load()
	if err != nil {
		return nil, target, fmt.Errorf("read kubeconfig: %w", err)
	}
	found := chaos.Kubernetes{Namespace: target.Namespace}
	var config *rest.Config
	if len(merged.Contexts) == 0 && target.Kubeconfig == "" && target.Context == "" {
		config, err = podCluster(rules.Precedence)
	} else {
		found.Kubeconfig = strings.Join(rules.Precedence, string(filepath.ListSeparator))
		config, found.Context, err = contextCluster(merged, target.Context, rules.Precedence)
	}
	if err != nil {
		return nil, target, err
	}
	config.UserAgent = "brunt/" + strings.ReplaceAll(version(), " ", "+")
	config.QPS, config.Burst = clusterQPS, clusterBurst
	config.WarningHandlerWithContext = rest.NoWarnings{}
	config.Dial = (&net.Dialer{Timeout: clusterDialBound}).DialContext
	server, named := config.Host, found.Context
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &toldRoundTripper{next, server, named}
	})
	if file := config.BearerTokenFile; file != "" {
		config.BearerToken, config.BearerTokenFile = "", ""
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fileToken{next, file} })
	}
	return config, found, nil
}

// A fileToken brings the token that a file has at each request. client-go's own
// looks once a minute, and a run may be over by then.
type fileToken struct {
	next http.RoundTripper
	file string
}

func (t *fileToken) RoundTrip(request *http.Request) (*http.Response, error) {
	text, err := os.ReadFile(t.file)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(text)))
	return t.next.RoundTrip(request)
}

// WrappedRoundTripper lets idle connections be found and closed.
func (t *fileToken) WrappedRoundTripper() http.RoundTripper { return t.next }

// clusterToWatch is clusterFor for probes.
func clusterToWatch(target probes.Kubernetes) (*rest.Config, error) {
	config, _, err := clusterFor(chaos.Kubernetes(target))
	return config, err
}

// podCluster is the cluster that brunt itself runs in.
func podCluster(looked []string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, fmt.Errorf("there is no kubeconfig: %s has none, and brunt does not run in a pod; set KUBECONFIG, or target.kubernetes.kubeconfig", strings.Join(looked, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the pod's service account: %w", err)
	}
	return config, nil
}

// contextCluster is the cluster of a kubeconfig's context; an empty name stands
// for the current one.
func contextCluster(merged *clientcmdapi.Config, name string, files []string) (*rest.Config, string, error) {
	where := strings.Join(files, ", ")
	names := slices.Sorted(maps.Keys(merged.Contexts))
	if name == "" {
		name = merged.CurrentContext
	}
	if name == "" {
		return nil, "", fmt.Errorf("%s has no current context; say target.kubernetes.context: %s", where, strings.Join(names, ", "))
	}
	if merged.Contexts[name] == nil {
		hint := "there is no context at all; is that the right file?"
		if near := decode.Suggest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		} else if len(names) > 0 {
			hint = "there is " + strings.Join(names, ", ")
		}
		return nil, "", fmt.Errorf("%s has no context %q: %s", where, name, hint)
	}
	if c := merged.Contexts[name]; merged.Clusters[c.Cluster] == nil {
		return nil, "", fmt.Errorf("context %s of %s names the cluster %q, which is not there", name, where, c.Cluster)
	}
	for _, user := range merged.AuthInfos {
		if user.Exec != nil {
			// A plugin that asks would hang, or eat the keys of a game day.
			user.Exec.InteractiveMode, user.Exec.StdinUnavailable = clientcmdapi.IfAvailableExecInteractiveMode, true
			user.Exec.StdinUnavailableMessage = "brunt lets nobody type; log in before"
		}
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*merged, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("context %s of %s: %w", name, where, err)
	}
	return config, name, nil
}

// A toldRoundTripper puts plain words in the place of the errors that people
// meet most: a server that is not there, and credentials that it takes no more.
type toldRoundTripper struct {
	next            http.RoundTripper
	server, context string
}

func (t *toldRoundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	switch {
	case err != nil && request.Context().Err() != nil:
		return nil, fmt.Errorf("%s did not answer in time: %w", t, context.Cause(request.Context()))
	case err != nil:
		return nil, fmt.Errorf("%s cannot be reached: %w", t, err)
	case response.StatusCode == http.StatusUnauthorized:
		return t.refused(response)
	}
	return response, nil
}

// refused says so in the answer's own place: whoever brings the credentials goes
// by its code to fetch new ones.
func (t *toldRoundTripper) refused(response *http.Response) (*http.Response, error) {
	_ = response.Body.Close()
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Reason: metav1.StatusReasonUnauthorized, Code: http.StatusUnauthorized,
		Message: t.String() + " refuses the credentials (401): they have expired, or are another cluster's; log in again, or make a new kubeconfig",
	})
	if err != nil {
		return nil, fmt.Errorf("%s refuses the credentials (401): %w", t, err)
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	response.Header.Set("Content-Type", "application/json")
	response.Header.Del("Content-Length")
	response.Header.Del("Content-Encoding")
	return response, nil
}

// WrappedRoundTripper lets idle connections be found and closed.
func (t *toldRoundTripper) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t *toldRoundTripper) String() string {
	if t.context == "" {
		return "the API server " + t.server
	}
	return fmt.Sprintf("the API server %s (context %s)", t.server, t.context)
}
