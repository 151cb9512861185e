package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/scenarios/cluster/pods"
)

// clusterFlags say which cluster is looked at for faults without a receipt.
type clusterFlags struct{ chaos.Kubernetes }

func (f *clusterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Kubeconfig, "kubeconfig", "", "the kubeconfig of the cluster to look at too")
	cmd.Flags().StringVar(&f.Context, "context", "", "the context of the cluster to look at too; its current one unless told")
	cmd.Flags().StringVarP(&f.Namespace, "namespace", "n", "", "the namespace to look at, where not all may be listed")
}

// asked says whether a cluster was named.
func (f clusterFlags) asked() bool { return f.Kubernetes != chaos.Kubernetes{} }

// clusterSight is what was found in a cluster.
type clusterSight struct {
	receipts []chaos.Receipt
	workers  []pods.Found
	config   *rest.Config // the way to it; nil when there is none
	notes    []string     // what could not be looked at
}

// clusterLookBound is how long looking may take.
const clusterLookBound = 20 * time.Second

// look finds faults and workers in the cluster by their marks. A cluster that
// nobody named and that cannot be reached is a note, not an error: most
// kubeconfigs name one.
func (f clusterFlags) look(ctx context.Context) (clusterSight, error) {
	config, found, err := clusterFor(f.Kubernetes)
	if err != nil {
		if f.asked() {
			return clusterSight{}, fmt.Errorf("look for faults in Kubernetes: %w", err)
		}
		return clusterSight{}, nil // there is none to look at
	}
	ctx, cancel := context.WithTimeout(ctx, clusterLookBound)
	defer cancel()
	out := clusterSight{config: config}
	sight, err := kube.Marked(ctx, clusterFor, f.Kubernetes)
	out.receipts = sight.Receipts
	workers, hidden, lost := pods.Find(ctx, config, cmp.Or(f.Namespace, "default"))
	out.workers = workers
	err = cmp.Or(err, lost) // most likely the same
	switch {
	case err != nil && f.asked():
		return out, fmt.Errorf("look for faults in Kubernetes: %w", err)
	case err != nil:
		out.notes = append(out.notes, fmt.Sprintf("the cluster of context %s was not looked at: %v", found.Context, err))
	}
	blind := sight.Blind
	if hidden && !slices.Contains(blind, "jobs.batch") {
		blind = append(blind, "jobs.batch")
	}
	if len(blind) > 0 {
		out.notes = append(out.notes, "in the cluster of context "+found.Context+", not allowed to list "+strings.Join(blind, ", "))
	}
	return out, nil
}
