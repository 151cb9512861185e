package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	apiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	apiapp "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kcmapp "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	schedapp "k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedoptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// logTo sends what the parts of Kubernetes log to a file: a lab says little.
func logTo(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	// The parts share one process, and each would set up logging anew.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL"} {
		if err := flags.Set(name, value); err != nil {
			return nil, fmt.Errorf("set up the log: %w", err)
		}
	}
	klog.SetOutput(f)
	return f, nil
}

// startEtcd runs etcd on loopback, without fsync: its data need not survive the
// machine. It returns once etcd answers.
func startEtcd(ctx context.Context, dir string, p ports) (*embed.Etcd, string, error) {
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(dir, "etcd")
	at := func(port int) url.URL {
		return url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	}
	client, peer := at(p.Etcd), at(p.EtcdPeer)
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	cfg.LogLevel = "error"
	cfg.LogOutputs = []string{filepath.Join(dir, "etcd.log")}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, client.String(), nil
	case <-ctx.Done():
		e.Close()
		return nil, "", fmt.Errorf("start etcd: %w", context.Cause(ctx))
	}
}

// startAPIServer runs kube-apiserver and returns once it is ready. What ends
// it later is reported to end.
func (l *lab) startAPIServer(ctx context.Context, etcd string) error {
	crt, key, err := l.ca.issue(l.dir, "apiserver", "kubernetes", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	saKey, tokens := filepath.Join(l.dir, "sa.key"), filepath.Join(l.dir, "tokens.csv")
	if err := keyFile(saKey); err != nil {
		return err
	}
	if err := writeTokens(tokens); err != nil {
		return err
	}
	if l.api, err = openDoors(l.ports); err != nil {
		return err
	}

	o := apioptions.NewServerRunOptions()
	args := append([]string{
		"--etcd-servers=" + etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(l.ports.Loopback), "--endpoint-reconciler-type=none",
		"--tls-cert-file=" + crt, "--tls-private-key-file=" + key,
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://lab.brunt.invalid",
		"--service-account-signing-key-file=" + saKey, "--service-account-key-file=" + saKey,
		"--token-auth-file=" + tokens, "--authorization-mode=RBAC",
		// Pods here mount nothing, and nodes are ready when they say so.
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
		"--allow-privileged=true", "--enable-priority-and-fairness=false", "--profiling=false",
		"--shutdown-delay-duration=0s", "--request-timeout=30s",
	}, l.apiArgs...)
	if err := parse("kube-apiserver", o.Flags(), args); err != nil {
		return err
	}
	o.SecureServing.Listener = l.api // which it closes when it ends
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set up kube-apiserver: %w", err)
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return fmt.Errorf("set up kube-apiserver: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("set up kube-apiserver: %w", errors.Join(errs...))
	}
	l.spawn("kube-apiserver", func() error { return l.serveAPI(ctx, completed) })

	l.config = &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", l.ports.Controllers), BearerToken: adminToken,
		TLSClientConfig: rest.TLSClientConfig{CAData: l.ca.pem}, QPS: -1,
	}
	if l.client, err = kubernetes.NewForConfig(l.config); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	return eventually(ctx, "kube-apiserver to be ready", func() error {
		_, err := l.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
}

// serveAPI is what kube-apiserver's own Run does, with the doors' filter in front.
func (l *lab) serveAPI(ctx context.Context, o apioptions.CompletedOptions) error {
	config, err := apiapp.NewConfig(o)
	if err != nil {
		return err
	}
	front := &config.Aggregator.GenericConfig.Config
	chain := front.BuildHandlerChainFunc
	front.BuildHandlerChainFunc = func(api http.Handler, c *apiserver.Config) http.Handler {
		return l.api.filter(chain(api, c))
	}
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	servers, err := apiapp.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := servers.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

// startControllers runs kube-controller-manager.
func (l *lab) startControllers(ctx context.Context) error {
	o, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("set up kube-controller-manager: %w", err)
	}
	known, off, aliases := kcmapp.KnownControllers(), kcmapp.ControllersDisabledByDefault(), kcmapp.ControllerAliases()
	flags := o.Flags(known, off, aliases)
	o.ParsedFlags = &flags
	if err := parse("kube-controller-manager", flags, []string{
		"--kubeconfig=" + l.innerKubeconfig, "--leader-elect=false", "--secure-port=0",
		"--use-service-account-credentials=false",
		"--controllers=*,-bootstrap-signer-controller,-token-cleaner-controller",
		"--service-account-private-key-file=" + filepath.Join(l.dir, "sa.key"),
		"--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-horizontal-pod-autoscaler-syncs=5",
		"--horizontal-pod-autoscaler-sync-period=" + l.hpaSync.String(),
		"--horizontal-pod-autoscaler-downscale-stabilization=" + l.hpaDownscale.String(),
		"--horizontal-pod-autoscaler-initial-readiness-delay=" + l.hpaInitialReadiness.String(),
		"--horizontal-pod-autoscaler-cpu-initialization-period=" + l.hpaCPUInitialization.String(),
		"--node-monitor-period=1s", "--node-monitor-grace-period=30s",
	}); err != nil {
		return err
	}
	if err := o.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set up kube-controller-manager: %w", err)
	}
	cfg, err := o.Config(ctx, known, off, aliases)
	if err != nil {
		return fmt.Errorf("set up kube-controller-manager: %w", err)
	}
	l.spawn("kube-controller-manager", func() error { return kcmapp.Run(ctx, cfg.Complete()) })
	return nil
}

// startScheduler runs kube-scheduler.
func (l *lab) startScheduler(ctx context.Context) error {
	o := schedoptions.NewOptions()
	if err := parse("kube-scheduler", *o.Flags, []string{
		"--kubeconfig=" + l.innerKubeconfig, "--leader-elect=false", "--secure-port=0",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}); err != nil {
		return err
	}
	if err := o.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("set up kube-scheduler: %w", err)
	}
	cfg, scheduler, err := schedapp.Setup(ctx, o)
	if err != nil {
		return fmt.Errorf("set up kube-scheduler: %w", err)
	}
	l.spawn("kube-scheduler", func() error { return schedapp.Run(ctx, cfg, scheduler) })
	return nil
}

// parse gives args to a component's flags.
func parse(component string, sets cliflag.NamedFlagSets, args []string) error {
	fs := pflag.NewFlagSet(component, pflag.ContinueOnError)
	for _, f := range sets.FlagSets {
		fs.AddFlagSet(f)
	}
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("set up %s: %w", component, err)
	}
	return nil
}

// writeKubeconfig writes one context for each user, the first being current.
func writeKubeconfig(file, server string, ca []byte, users []user) error {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters["lab"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	for i, u := range users {
		name := "lab"
		if i > 0 {
			name = "lab-" + u.name
		}
		cfg.AuthInfos[u.name] = &clientcmdapi.AuthInfo{Token: u.token}
		cfg.Contexts[name] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: u.name}
		if i == 0 {
			cfg.CurrentContext = name
		}
	}
	if err := clientcmd.WriteToFile(*cfg, file); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

// eventually tries until it works, for a minute at most.
func eventually(ctx context.Context, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last: %w)", what, context.Cause(ctx), err)
		}
	}
}
