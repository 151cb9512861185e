package scenarios

import (
	"time"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// document is the file's top level. The sections that hold names of the
// author's choice, or kinds, keep their node and are read one by one, because
// their order and their places matter.
type document struct {
	Version     int      `yaml:"version" required:"true" min:"1" max:"1" example:"1" doc:"The version of the scenario language: 1."`
	Name        string   `yaml:"name" required:"true" example:"checkout-launch" doc:"The scenario's name: letters, digits, _ . and -. It names the run directory."`
	Description string   `yaml:"description" doc:"What the scenario is to find out, in a sentence."`
	Seed        uint64   `yaml:"seed" default:"1" doc:"Decides every random choice: the same seed gives the same arrivals and the same picks of data."`
	Target      target   `yaml:"target" doc:"What may be loaded and broken. Nothing outside it ever is."`
	Safety      safety   `yaml:"safety" doc:"Limits that hold whatever the rest of the file says."`
	Vars        varsNode `yaml:"vars" doc:"Values to use anywhere as $name or ${name}."`
	Data        dataNode `yaml:"data" doc:"Data feeds by name; their columns are ${feed.column} in a load."`
	Loads       loadNode `yaml:"loads" doc:"Named streams of operations, each of one kind of generator."`
	Watch       probNode `yaml:"watch" doc:"Named things to watch during the run, each of one kind of probe."`
	SteadyState expects  `yaml:"steady_state" doc:"What must hold all through calm: from the end of the warm-up to the end, less every fault's time."`
	Phases      phasNode `yaml:"phases" required:"true" doc:"Spans of the run, one after the other. Loads, faults and expectations hang off them."`
	Workers     workers  `yaml:"workers" doc:"What may happen to workers, where the load is offered by several (brunt run --workers)."`
	Baseline    baseNode `yaml:"baseline" doc:"What to compare the run with. Not built yet."`
	Report      []string `yaml:"report" enum:"html,junit,json,markdown,vegeta" doc:"Formats to write besides the result on the terminal; by default all but vegeta."`
}

// target is the section of that name.
type target struct {
	Hosts      []text     `yaml:"hosts" example:"shop.staging.svc:443" doc:"Hosts that may be loaded and broken: host, host:port, *.suffix, a network such as 10.1.0.0/16, or unix:PATH for a socket."`
	Stack      text       `yaml:"stack" doc:"A stack of real processes that brunt starts for the run and stops after it."`
	Proxies    proxNode   `yaml:"proxies" doc:"TCP proxies that brunt runs, to break what passes through them, by name."`
	Resolvers  resoNode   `yaml:"resolvers" doc:"DNS resolvers that brunt runs, to break what is asked of them, by name."`
	Containers []text     `yaml:"containers" example:"shop-*" doc:"Containers that may be broken: names, patterns of names such as shop-*, or label:KEY=VALUE."`
	Kubernetes kubernetes `yaml:"kubernetes" doc:"The cluster and the namespace that may be broken and watched."`
	Prometheus promNode   `yaml:"prometheus" doc:"The target's Prometheus. Not built yet."`
}

// ProxySpec is one TCP proxy to be run: where it listens and where it passes
// connections on to, both as host:port.
type ProxySpec struct {
	Listen   string `yaml:"listen" required:"true" example:"127.0.0.1:9001" doc:"The address it listens on, as host:port."`
	Upstream string `yaml:"upstream" required:"true" example:"127.0.0.1:9000" doc:"The address it passes connections on to, as host:port."`
}

// ResolverSpec is one DNS resolver to be run: where it listens and which one it
// forwards to, both as host:port.
type ResolverSpec struct {
	Listen   string `yaml:"listen" required:"true" example:"127.0.0.1:5301" doc:"The address it listens on, over UDP and TCP, as IP:port."`
	Upstream string `yaml:"upstream" required:"true" example:"10.96.0.10:53" doc:"The resolver it forwards to, as host:port."`
}

// safety is the section of that name.
type safety struct {
	MaxRate     float64 `yaml:"max_rate" unit:"rate" example:"6000/s" doc:"The most arrivals, all loads together; a scenario that plans more is refused."`
	MaxInFlight int     `yaml:"max_in_flight" min:"1" max:"1000000" example:"20000" doc:"The most operations in flight that a load may ask for."`
	MaxTargets  int     `yaml:"max_targets" min:"1" example:"2" doc:"The most things one fault may hit; one that resolves to more is refused before anything is touched."`
	Abort       []text  `yaml:"abort" example:"browse.errors > 50% for 15s" doc:"Conditions on which the run stops at once and every fault is undone."`

	Protect         []text `yaml:"protect" example:"postgres*" doc:"What no fault may touch, by name or pattern of names: processes, units, containers, pods as NAME or NAMESPACE/NAME. Processes that the machine or brunt depends on are protected anyway."`
	AllowProduction bool   `yaml:"allow_production" doc:"Whether faults are allowed although a name in the target has prod, production, prd or live in it."`

	Lease time.Duration `yaml:"lease" min:"1s" max:"10m" example:"15s" doc:"How long faults may stay when the run does not renew its lease on them, because it is dead or frozen; 15s unless told."`
	Renew time.Duration `yaml:"renew" min:"100ms" max:"5m" example:"5s" doc:"How often the run renews its lease: at least twice within it; 5s, or a third of a shorter lease, unless told."`
}

// workers is the section of that name.
type workers struct {
	MayLose int `yaml:"may_lose" min:"0" max:"10000" example:"1" doc:"How many workers may be lost before the run shows nothing; none unless told. What a lost one did not offer is counted and told all the same."`
}

// loadOptions are the keys of a load beside its kind and its steps.
type loadOptions struct {
	Patience    time.Duration `yaml:"patience" default:"10s" doc:"How long an arrival waits for a free session before it is dropped, and failed."`
	MaxInFlight int           `yaml:"max_in_flight" min:"1" max:"1000000" doc:"The most sessions that the load may open; 10000 unless safety.max_in_flight is less."`
}

// feedOptions is one entry of data.
type feedOptions struct {
	CSV   string `yaml:"csv" example:"users.csv" doc:"A file of comma-separated values whose first line names the columns, from the scenario's folder."`
	JSONL string `yaml:"jsonl" example:"users.jsonl" doc:"A file with a JSON object on each line, from the scenario's folder."`
	Pick  string `yaml:"pick" enum:"sequential,random,unique" default:"sequential" doc:"Which row an arrival gets: the next, any, or one that none had before."`
	OnEnd string `yaml:"on_end" enum:"wrap,stop" doc:"At the last row, begin again or stop; unique stops, the others wrap, unless told."`
}

// phase is one item of phases.
type phase struct {
	Name    string        `yaml:"name" required:"true" example:"steady" doc:"The phase's name, for expectations and reports."`
	For     time.Duration `yaml:"for" required:"true" min:"1ms" max:"8760h" example:"5m" doc:"How long it lasts."`
	Exclude bool          `yaml:"exclude" doc:"Whether it is recorded but never judged, as a warm-up is."`
	After   time.Duration `yaml:"after" doc:"How much of its start its expectations leave out, unless they say."`
	Load    rateNode      `yaml:"load" doc:"What each load offers: a rate, a number of users, or a ramp; a load that is not named is idle."`
	Faults  faulNode      `yaml:"faults" doc:"What is broken, by name, from the phase's start on."`
	Expect  expects       `yaml:"expect" doc:"What must hold during the phase."`
}

// faultOptions are the keys of a fault beside its kind.
type faultOptions struct {
	At    time.Duration `yaml:"at" default:"0s" doc:"When it is injected, from the phase's start; with after, from when those faults are over."`
	For   time.Duration `yaml:"for" min:"1ms" doc:"How long it lasts, each time; without it, until the run ends or what until says holds."`
	After []text        `yaml:"after" example:"kill_db" doc:"Faults that must be over first, all their occurrences, by name."`

	Every  time.Duration `yaml:"every" min:"100ms" example:"30s" doc:"How often it comes again, from start to start; until the phase ends unless times says less."`
	Times  int           `yaml:"times" min:"1" max:"1000" example:"5" doc:"With every: how many times it comes."`
	Jitter time.Duration `yaml:"jitter" min:"1ms" example:"10s" doc:"With every: how much later an occurrence may fall, at random; the seed decides."`
	OneOf  oneOfNode     `yaml:"one_of" doc:"In the place of a kind: a list of kinds, of which each occurrence is one, at random; the seed decides."`
	Until  text          `yaml:"until" example:"browse.errors > 5% for 5s" doc:"A condition that ends it, judged while it lasts as safety.abort is; for is then the longest it may last."`
	Follow bool          `yaml:"follow" doc:"Whether targets that come to be while it lasts are hit too, such as replicas that an autoscaler adds."`

	AllowIrreversible bool `yaml:"allow_irreversible" doc:"Whether it may leave something behind that no undo restores."`
}

// rateOptions is the long form of what a load offers during a phase.
type rateOptions struct {
	Rate     levelNode    `yaml:"rate" example:"500/s" doc:"Arrivals a second or a minute, a ramp 0/s -> 500/s, or a list of stretches with their lengths."`
	Users    levelNode    `yaml:"users" example:"50" doc:"A number of users, a ramp 0 -> 50, or a list of stretches with their lengths."`
	Arrivals arrivalsNode `yaml:"arrivals" doc:"How arrivals fall around the rate: constant, poisson, sine(amplitude=200/s, period=1m) or { trace: FILE, speed: 2 }."`
}

// traceOptions is the long form of arrivals.
type traceOptions struct {
	Trace string  `yaml:"trace" required:"true" example:"arrivals.txt" doc:"A file with one arrival a line, as an offset (1.5s) or a timestamp (RFC 3339 or Unix seconds), from the scenario's folder."`
	Speed float64 `yaml:"speed" default:"1" min:"0.000001" max:"1000000" doc:"How much faster than recorded it is played."`
}

// expectOptions is the long form of an expectation.
type expectOptions struct {
	That   text          `yaml:"that" required:"true" example:"browse.p99 < 800ms" doc:"The statement."`
	Within time.Duration `yaml:"within" min:"1s" doc:"Every window of this length must hold, in steps of a second."`
	After  time.Duration `yaml:"after" doc:"How much of the phase's start is left out."`
	Abort  bool          `yaml:"abort" doc:"Whether the run stops as soon as the statement can no longer hold."`
}

// held keeps a node for later. DecodeNode is never called for an empty one.
type held struct{ decode.Node }

func (h *held) DecodeNode(_ *decode.Decoder, n decode.Node) { h.Node = n }

type (
	varsNode     struct{ held }
	dataNode     struct{ held }
	loadNode     struct{ held }
	probNode     struct{ held }
	phasNode     struct{ held }
	baseNode     struct{ held }
	proxNode     struct{ held }
	resoNode     struct{ held }
	promNode     struct{ held }
	rateNode     struct{ held }
	faulNode     struct{ held }
	expects      struct{ held }
	levelNode    struct{ held }
	arrivalsNode struct{ held }
	oneOfNode    struct{ held }
)

func (varsNode) JSONSchema() map[string]any     { return decode.Ref("vars") }
func (dataNode) JSONSchema() map[string]any     { return decode.Ref("data") }
func (loadNode) JSONSchema() map[string]any     { return decode.Ref("loads") }
func (probNode) JSONSchema() map[string]any     { return decode.Ref("watch") }
func (phasNode) JSONSchema() map[string]any     { return decode.Ref("phases") }
func (baseNode) JSONSchema() map[string]any     { return decode.Ref("baseline") }
func (proxNode) JSONSchema() map[string]any     { return decode.Ref("proxies") }
func (resoNode) JSONSchema() map[string]any     { return decode.Ref("resolvers") }
func (promNode) JSONSchema() map[string]any     { return decode.Ref("prometheus") }
func (rateNode) JSONSchema() map[string]any     { return decode.Ref("load") }
func (faulNode) JSONSchema() map[string]any     { return decode.Ref("faults") }
func (expects) JSONSchema() map[string]any      { return decode.Ref("expectations") }
func (levelNode) JSONSchema() map[string]any    { return decode.Ref("level") }
func (oneOfNode) JSONSchema() map[string]any    { return decode.Ref("choices") }
func (arrivalsNode) JSONSchema() map[string]any { return decode.Ref("arrivals") }

// text is a scalar with its place.
type text struct {
	decode.Node
	value string
}

func (t *text) DecodeNode(d *decode.Decoder, n decode.Node) {
	t.Node = n
	if n.Kind() != decode.Scalar {
		d.Report(n, decode.CodeWrongType, "expected text, got "+n.Kind().String(), "")
		return
	}
	t.value, _ = d.Text(n)
}

func (text) JSONSchema() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean"}, "title": "text"}
}
