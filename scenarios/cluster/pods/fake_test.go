package pods

import (
	"fmt"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

const shop = "shop"

// fakeCluster is the way to a fake API server that is on no network.
func fakeCluster(t *testing.T) (*kubetest.API, *rest.Config) {
	t.Helper()
	api := kubetest.Unserved()
	return api, &rest.Config{Host: api.URL, QPS: -1, Transport: api}
}

const jobPath = "/apis/batch/v1/namespaces/shop/jobs/"

// putPod keeps a pod of the Job with the id 0123.
func putPod(api *kubetest.API, index int, status string) {
	api.Put(fmt.Sprintf("/api/v1/namespaces/shop/pods/pod-%d", index), fmt.Sprintf(
		`{"metadata":{"labels":{%q:"0123","batch.kubernetes.io/job-completion-index":"%d"}},"spec":{"nodeName":"n"},"status":%s}`, Label, index, status))
}
