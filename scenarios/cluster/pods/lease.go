package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The lease on a Job: its controller says every renewEvery that it is alive. One
// that has not done so for Lease is gone, or has lost the API server and with it
// every worker, whose streams go through there.
const (
	Lease      = 15 * time.Second
	renewEvery = 5 * time.Second
)

// holder names this process, for people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// renew holds the lease until ctx ends. A renewal that fails is only one that is
// not there: the next one may succeed.
func (t *Team) renew(ctx context.Context) {
	for pause(ctx, renewEvery) == nil {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{Renewed: time.Now().UTC().Format(time.RFC3339Nano)}}})
		if err != nil {
			return // strings always encode
		}
		calling, cancel := context.WithTimeout(ctx, renewEvery)
		_, err = t.cluster.dynamic.Resource(jobs).Namespace(t.cluster.namespace).Patch(calling, t.job, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "brunt"})
		cancel()
		if apierrors.IsNotFound(err) {
			return // somebody removed it
		}
	}
}
