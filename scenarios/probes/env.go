package probes

// Env is what the run gives to every probe it makes.
type Env struct {
	Name string // the probe's name in the scenario
	// Allow refuses an address ("host:port") outside the scenario's target.
	// A probe asks before it dials. It is safe for concurrent use; nil allows
	// nothing.
	Allow func(address string) error
	// Kubernetes is the cluster and the namespace of the target. Its zero value
	// says that there is none.
	Kubernetes Kubernetes
}

// Access is one permission that a probe needs in a cluster.
type Access struct {
	Group, Resource string // "apps", "deployments"
	Version         string // "v1": in which the probe asks for it
	Namespace       string // empty for what has none
	Verbs           []string
}

// An Accessor is a probe that needs permissions in a cluster. Access connects to
// nothing.
type Accessor interface{ Access() []Access }

// Kubernetes says what of which cluster may be watched.
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
