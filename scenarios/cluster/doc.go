// Package cluster plays the loads of a run on several workers: local processes,
// or pods. The schedule is pure, so worker i of n takes every n-th arrival of
// the same schedule (engine.Slice), and histograms merge by addition.
//
// Faults, probes, abort conditions and the verdict stay with the controller,
// which is an engine.Run whose loads a Crew plays. A worker gets the scenario,
// compiles it itself, and says so; all start on one instant, which each is told
// on its own monotonic clock; and each sends back what a local run would write
// to its journal, a second at a time. The controller hands on a second when
// every worker has told of it or is lost.
//
// # The channel
//
// There is one stream of bytes each way: a pipe, or what the API server passes
// on to a pod. On it are lines of JSON. It is the worker's lifeline too: a worker
// whose stream ends, or that hears nothing for a while, ends its load and
// itself. Secrets travel on it and nowhere else.
//
// # A lost worker
//
// One that dies, stalls or is cut off is lost, which is seen in less than five
// seconds and never taken back. The arrivals of its share go on being counted,
// as offered and as lost, from the schedule: a run never looks smaller than it
// was to be.
package cluster
