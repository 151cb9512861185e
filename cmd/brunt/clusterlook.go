package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
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
	notes    []string // what could not be looked at
}

// clusterLookBound is how long looking may take.
const clusterLookBound = 20 * time.Second

// look finds faults in the cluster by their marks. A cluster that nobody named
// and that cannot be reached is a note, not an error: most kubeconfigs name one.
func (f clusterFlags) look(ctx context.Context) (clusterSight, error) {
	_, found, err := clusterFor(f.Kubernetes)
	if err != nil {
		if f.asked() {
			return clusterSight{}, fmt.Errorf("look for faults in Kubernetes: %w", err)
		}
		return clusterSight{}, nil // there is none to look at
	}
	ctx, cancel := context.WithTimeout(ctx, clusterLookBound)
	defer cancel()
	sight, err := kube.Marked(ctx, clusterFor, f.Kubernetes)
	if err != nil {
		if f.asked() {
			return clusterSight{}, fmt.Errorf("look for faults in Kubernetes: %w", err)
		}
		return clusterSight{notes: []string{fmt.Sprintf("the cluster of context %s was not looked at: %v", found.Context, err)}}, nil
	}
	out := clusterSight{receipts: sight.Receipts}
	if len(sight.Blind) > 0 {
		out.notes = append(out.notes, "in the cluster of context "+found.Context+", not allowed to list "+strings.Join(sight.Blind, ", "))
	}
	return out, nil
}
