package main

import (
	"github.com/brunt-dev/brunt/chaos/istio"
	"github.com/brunt-dev/brunt/chaos/kubernetes"
	"github.com/brunt-dev/brunt/chaos/mesh"
	"github.com/brunt-dev/brunt/scenarios"
)

// clusterFaults are the kinds of fault in Kubernetes.
func clusterFaults() []scenarios.FaultKind {
	k := kubernetes.Faults{Connect: clusterFor}
	return append(meshFaults(), []scenarios.FaultKind{
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
	}...)
}

// meshFaults are those through service meshes and Chaos Mesh.
func meshFaults() []scenarios.FaultKind {
	return []scenarios.FaultKind{
		scenarios.FaultOf(istio.IstioKind, "Delay or abort requests to a service in Istio's proxies.", istio.New(clusterFor), istio.Mend(clusterFor, istio.IstioKind), istio.WhatIstio, reversible),
		scenarios.FaultOf(istio.LinkerdKind, "Lead requests to a service astray by an HTTPRoute, for Linkerd and others of the Gateway API.", istio.NewLinkerd(clusterFor), istio.Mend(clusterFor, istio.LinkerdKind), istio.WhatLinkerd, reversible),
		meshFault[mesh.Mesh]("mesh", "Any kind of Chaos Mesh's, with its own spec."),
		meshFault[mesh.NetDelay]("net_delay", "Hold packets of pods up, through Chaos Mesh."),
		meshFault[mesh.NetLoss]("net_loss", "Lose packets of pods, through Chaos Mesh."),
		meshFault[mesh.NetDuplicate]("net_duplicate", "Send packets of pods twice, through Chaos Mesh."),
		meshFault[mesh.NetCorrupt]("net_corrupt", "Flip bits in packets of pods, through Chaos Mesh."),
		meshFault[mesh.NetPartition]("net_partition", "Cut pods off, through Chaos Mesh."),
		meshFault[mesh.NetBandwidth]("net_bandwidth", "Let only so much of the traffic of pods pass, through Chaos Mesh."),
		meshFault[mesh.HTTPAbort]("http_abort", "Break HTTP requests or answers of pods off, through Chaos Mesh."),
		meshFault[mesh.HTTPDelay]("http_delay", "Hold HTTP requests or answers of pods up, through Chaos Mesh."),
		meshFault[mesh.IOLatency]("io_latency", "Make file operations slow, through Chaos Mesh."),
		meshFault[mesh.IOFault]("io_fault", "Make file operations fail, through Chaos Mesh."),
		meshFault[mesh.CPUStress]("cpu_stress", "Keep processors of pods busy, through Chaos Mesh."),
		meshFault[mesh.MemoryStress]("memory_stress", "Take memory in pods, through Chaos Mesh."),
		meshFault[mesh.TimeSkew]("time_skew", "Set the clocks of pods off, through Chaos Mesh."),
		meshFault[mesh.DNSError]("dns_error", "Make DNS look-ups of pods fail, through Chaos Mesh."),
		meshFault[mesh.DNSRandom]("dns_random", "Answer DNS look-ups of pods with any address, through Chaos Mesh."),
		meshFault[mesh.ContainerKill]("container_kill", "Kill containers of pods, through Chaos Mesh; their kubelets start them anew."),
	}
}

func meshFault[C mesh.Form](name, doc string) scenarios.FaultKind {
	return scenarios.FaultOf(name, doc, mesh.New[C](clusterFor, name), mesh.Mend(clusterFor, name), mesh.What[C], mesh.OneShot[C])
}

// oneShot and reversible say of a kind whether it is over at once, whatever its
// configuration.
func oneShot[C any](C) bool    { return true }
func reversible[C any](C) bool { return false }
