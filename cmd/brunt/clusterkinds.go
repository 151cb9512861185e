package main

import (
	"github.com/brunt-dev/brunt/chaos/kubernetes"
	"github.com/brunt-dev/brunt/scenarios"
)

// clusterFaults are the kinds of fault in Kubernetes.
func clusterFaults() []scenarios.FaultKind {
	k := kubernetes.Faults{Connect: clusterFor}
	return []scenarios.FaultKind{
		scenarios.FaultOf("pod_kill", "Delete pods of the target's namespace; their controllers make new ones.", k.PodKill, k.Mend("pod_kill"), kubernetes.WhatPodKill, oneShot),
		scenarios.FaultOf("pod_failure", "Keep pods from working: their containers run an image that does nothing.", k.PodFailure, k.Mend("pod_failure"), kubernetes.WhatPodFailure, reversible),
		scenarios.FaultOf("cordon", "Keep new pods from nodes.", k.Cordon, k.Mend("cordon"), kubernetes.WhatCordon, reversible),
		scenarios.FaultOf("drain", "Cordon nodes and evict the namespace's pods from them, as far as disruption budgets let it.", k.Drain, k.Mend("drain"), kubernetes.WhatDrain, reversible),
		scenarios.FaultOf("taint", "Put a taint on nodes.", k.Taint, k.Mend("taint"), kubernetes.WhatTaint, reversible),
		scenarios.FaultOf("scale", "Scale a Deployment or StatefulSet, to zero unless told.", k.Scale, k.Mend("scale"), kubernetes.WhatScale, reversible),
		scenarios.FaultOf("rollout_restart", "Replace all pods of a workload by its own strategy.", k.RolloutRestart, k.Mend("rollout_restart"), kubernetes.WhatRolloutRestart, oneShot),
		scenarios.FaultOf("zone_outage", "Take a zone away: cordon its nodes and delete the namespace's pods on them.", k.ZoneOutage, k.Mend("zone_outage"), kubernetes.WhatZoneOutage, reversible),
		scenarios.FaultOf("config", "Set one field of one object of the namespace, and restore it.", k.Config, k.Mend("config"), kubernetes.WhatConfig, reversible),
		scenarios.FaultOf("metrics_outage", "Cut a metrics API off, so that autoscalers see nothing.", k.MetricsOutage, k.Mend("metrics_outage"), kubernetes.WhatMetricsOutage, reversible),
	}
}

// oneShot and reversible say of a kind whether it is over at once, whatever its
// configuration.
func oneShot[C any](C) bool    { return true }
func reversible[C any](C) bool { return false }
