package shop

import "strconv"

// The processes that are there whatever the number of replicas.
const (
	nameLB         = "lb"
	nameAutoscaler = "autoscaler"
	namePayments   = "payments"
	nameKeeper     = "keeper" // not a target: it has no pid file
)

// VarNames are the variables that every stack offers, as ${stack.NAME}:
//
//	url           base URL of the shop, "http://127.0.0.1:20001"
//	status        URL of the autoscaler's status, a JSON object with the
//	              numbers replicas, ready, desired and utilization
//	payments      address of the payments service, "127.0.0.1:20004"
//	payments_via  address at which the replicas try payments first, for a proxy
func VarNames() []string {
	return []string{"url", "status", "payments", "payments_via"}
}

// ProcessNames are the processes of a stack with the default options that
// faults can name.
func ProcessNames() []string {
	return processNames(Options{}.withDefaults().Max)
}

func processNames(replicas int) []string {
	return append([]string{nameLB, nameAutoscaler, namePayments}, replicaNames(replicas)...)
}

func replicaNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = replicaName(i)
	}
	return names
}

// replicaName is the name of the replica at index i of layout.Replicas.
func replicaName(i int) string { return "shop-" + strconv.Itoa(i+1) }
