package main

import (
	"context"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/clock"
	"github.com/brunt-dev/brunt/chaos/dns"
	"github.com/brunt-dev/brunt/chaos/docker"
	"github.com/brunt-dev/brunt/chaos/exec"
	httpfault "github.com/brunt-dev/brunt/chaos/http"
	"github.com/brunt-dev/brunt/chaos/network"
	"github.com/brunt-dev/brunt/chaos/process"
	"github.com/brunt-dev/brunt/chaos/proxy"
	"github.com/brunt-dev/brunt/chaos/stress"
	"github.com/brunt-dev/brunt/examples/shop"
	"github.com/brunt-dev/brunt/generators/http"
	"github.com/brunt-dev/brunt/generators/vegeta"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/probes"
	httpprobe "github.com/brunt-dev/brunt/scenarios/probes/http"
	kubeprobe "github.com/brunt-dev/brunt/scenarios/probes/kubernetes"
)

// kinds is the one list of everything a scenario may name. A new kind is a
// folder of its own and a line here.
func kinds() scenarios.Kinds {
	return scenarios.Kinds{
		Generators: []scenarios.GeneratorKind{
			scenarios.GeneratorOf("http", "HTTP/1.1, HTTP/2 and HTTP/3 requests, alone or in flows.", http.New, http.Steps),
			scenarios.GeneratorOf("vegeta", "The requests of a vegeta target file, in turn.", vegeta.New, vegeta.Steps),
		},
		Faults: append([]scenarios.FaultKind{
			scenarios.FaultOf("process", "Kill, pause or limit a process on this machine.", process.New, process.Mend, process.What, process.OneShot),
			scenarios.FaultOf("proxy", "Slow, choke, cut or silence connections through a proxy of the run's or a Toxiproxy; delay, fail or change HTTP requests; spoil TLS handshakes.", proxy.New, proxy.Mend, proxy.What, proxy.OneShot),
			scenarios.FaultOf("dns", "Forge, refuse, withhold or delay the answers of one of the run's DNS resolvers.", dns.New, dns.Mend, dns.What, dns.OneShot),
			scenarios.FaultOf("network", "Cut, lose, slow or delay packets in a network namespace or on this host.", network.New, network.Mend, network.What, network.OneShot),
			scenarios.FaultOf("stress", "Take processor time, memory, disk throughput or disk space away on this machine.", stress.New, stress.Mend, stress.What, stress.OneShot),
			scenarios.FaultOf("clock", "Skew the wall clock of processes started with brunt clock-run.", clock.New, clock.Mend, clock.What, clock.OneShot),
			scenarios.FaultOf("docker", "Kill, pause, stop, disconnect or limit containers that target.containers allows.", docker.New, docker.Mend, docker.What, docker.OneShot),
			scenarios.FaultOf("exec", "Break something with commands of your own.", exec.New, exec.Mend, exec.What, exec.OneShot),
			scenarios.FaultOf("http", "Set and unset something by calls over HTTP, such as a feature flag.", httpfault.New, httpfault.Mend, httpfault.What, httpfault.OneShot),
		}, clusterFaults()...),
		Probes: []scenarios.ProbeKind{
			scenarios.ProbeOf("http", "A health check, its latency, or a number in a JSON answer.", httpprobe.New, httpprobe.Unit, httpprobe.What),
			scalingProbe("hpa", "A HorizontalPodAutoscaler, what it scales, and the pods of that.", watchers().HPA, kubeprobe.WhatHPA, kubeprobe.Series, func(c kubeprobe.HPA) kubeprobe.Of { return c.Of }),
			scalingProbe("keda", "A ScaledObject of KEDA, its autoscaler, what that scales, and the pods.", watchers().KEDA, kubeprobe.WhatKEDA, kubeprobe.KEDASeries, func(c kubeprobe.KEDA) kubeprobe.Of { return c.Of }),
			scalingProbe("deployment", "A Deployment and its pods, whoever scales it.", watchers().Deployment, kubeprobe.WhatDeployment, kubeprobe.Series, func(c kubeprobe.Deployment) kubeprobe.Of { return c.Of }),
			scalingProbe("pods", "The pods of a selector.", watchers().Pods, kubeprobe.WhatPods, kubeprobe.Series, func(c kubeprobe.Pods) kubeprobe.Of { return c.Of }),
			seriesProbe("nodes", "The nodes of a selector: which join, are ready, and leave.", watchers().Nodes, "", kubeprobe.WhatNodes, kubeprobe.NodesSeries),
			seriesProbe("rollout", "How far a rollout of a Deployment is.", watchers().Rollout, "ratio", kubeprobe.WhatRollout, kubeprobe.RolloutSeries),
			seriesProbe("cluster_autoscaler", "What the cluster autoscaler does for the namespace's pods.", watchers().ClusterAutoscaler, "", kubeprobe.WhatClusterAutoscaler, kubeprobe.ClusterAutoscalerSeries),
			seriesProbe("karpenter", "The NodeClaims of Karpenter: nodes on their way.", watchers().Karpenter, "", kubeprobe.WhatKarpenter, kubeprobe.KarpenterSeries),
		},
		Stacks: []scenarios.StackKind{{
			Name:      "shop",
			Doc:       "The example stack: a shop with replicas, a load balancer, an autoscaler and a payment service, on loopback.",
			Vars:      shop.VarNames(),
			Processes: shop.ProcessNames(),
		}},
		Planned: plannedKinds(),
	}
}

func watchers() kubeprobe.Watchers { return kubeprobe.Watchers{Connect: clusterToWatch} }

// scalingProbe is a kind that watches replicas, with what a scenario says of them.
func scalingProbe[C any](name, doc string, new func(C, probes.Env) (probes.Probe, error), what func(C) string, series []string, of func(C) kubeprobe.Of) scenarios.ProbeKind {
	return scenarios.ScalingProbeOf(name, doc, new, what, series, func(c C) journal.ScalingPlan {
		said := of(c)
		return journal.ScalingPlan{Loads: said.Loads, PerReplica: said.PerReplica, Price: said.Price}
	})
}

func seriesProbe[C any](name, doc string, new func(C, probes.Env) (probes.Probe, error), unit string, what func(C) string, series []string) scenarios.ProbeKind {
	k := scenarios.ProbeOf(name, doc, new, func(C) string { return unit }, what)
	k.Series = series
	return k
}

// mend finds the kind that can undo a receipt.
func mend(kind string) (chaos.Fault, bool) {
	for _, k := range kinds().Faults {
		if k.Name == kind {
			return k.Mend(), true
		}
	}
	return nil, false
}

// owned are the kinds that recognise their own by marks alone, without any
// receipt: names of tables, handles, processes. `brunt undo --all` and `brunt
// faults` ask them.
func owned() map[string]func(context.Context) ([]chaos.Receipt, error) {
	return map[string]func(context.Context) ([]chaos.Receipt, error){
		network.Kind: network.Owned,
		process.Kind: func(context.Context) ([]chaos.Receipt, error) { return process.Owned() },
		stress.Kind:  func(context.Context) ([]chaos.Receipt, error) { return stress.Owned() },
	}
}

// plannedKinds are in the language, and not built yet.
func plannedKinds() []scenarios.PlannedKind {
	planned := []scenarios.PlannedKind{}
	add := func(role string, names ...string) {
		for _, name := range names {
			planned = append(planned, scenarios.PlannedKind{Role: role, Name: name})
		}
	}
	add("generator", "k6", "grpc", "websocket", "kafka", "rabbitmq", "nats", "mqtt", "postgres", "mysql", "redis", "memcached", "mongodb", "tcp", "udp", "exec")
	add("probe", "prometheus", "postgres_lag", "sql", "exec")
	add("expectation", "recovery")
	return planned
}
