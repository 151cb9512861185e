package chaos

import "time"

// Env is what the run gives to every fault it makes.
type Env struct {
	Fault string // the fault's name in the scenario
	// For is how long the fault is meant to last. Kinds whose target can end a
	// fault by itself set its expiry a little later than that. 0: until the
	// run ends.
	For time.Duration
	// Seed is the fault's own, derived from the scenario's: the same seed
	// gives the same jitter.
	Seed uint64
	// Processes are the stack's processes: name to the path of a pid file.
	// Empty when the target has no stack.
	Processes map[string]string
	// Proxies are the run's TCP proxies: name to the path of a file that says
	// how to control it.
	Proxies map[string]string
	// Resolvers are the run's DNS resolvers: name to the path of a file that
	// says how to control it.
	Resolvers map[string]string
	// Containers is the allow-list of target.containers: names, globs of names
	// ("shop-*") or labels ("label:app=shop"). Empty allows no container.
	Containers []string
	// Kubernetes is the cluster and the namespace of the target. Its zero value
	// says that there is none, and nothing in any cluster may be touched.
	Kubernetes Kubernetes
	// Protect is safety.protect: what no fault may touch. Kinds ask it in
	// Prepare about every target.
	Protect Protection
	// Allow refuses an address ("host:port") outside the scenario's target.
	// Kinds that connect to an address a scenario names ask it before anything
	// is touched. It may be called from any goroutine. Nil allows nothing.
	Allow func(address string) error
}

// Kubernetes says where in which cluster things may be broken. In receipts it
// says where to undo them, so its files are absolute then and its context named.
type Kubernetes struct {
	// Kubeconfig is the path of a file, or several with the system's list
	// separator between them. Empty: what $KUBECONFIG says, then ~/.kube/config,
	// then the service account of the pod that brunt runs in.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Context is one of the kubeconfig's; empty is its current one.
	Context string `json:"context,omitempty"`
	// Namespace bounds everything; never empty where there is a target.
	Namespace string `json:"namespace"`
}
