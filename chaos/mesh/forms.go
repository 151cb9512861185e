package mesh

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube"
)

// Mesh is any kind of Chaos Mesh's, as its own documentation has it.
type Mesh struct {
	Kind string         `yaml:"kind" required:"true" doc:"The kind, such as NetworkChaos." example:"JVMChaos"`
	Spec map[string]any `yaml:"spec" required:"true" doc:"Its spec, but for duration, which the fault's for decides; without a selector where app, selector, role or name say which pods."`
	kube.Selector
	Outside bool `yaml:"outside" doc:"Whether it may break what is no pod of the namespace: cloud instances and physical machines."`
}

// outside are the kinds that hit no pods.
var outside = []string{"AWSChaos", "AzureChaos", "GCPChaos", "PhysicalMachineChaos"}

func (c Mesh) selects() bool {
	return c.Name != "" || c.Selector.Selector != "" || c.App != "" || c.Role != ""
}

func (c Mesh) what() what {
	w := what{kind: c.Kind, spec: c.Spec, places: slices.Contains(outside, c.Kind), says: "Chaos Mesh " + c.Kind}
	if action, ok := c.Spec["action"].(string); ok {
		w.says += " " + action
	}
	if c.selects() {
		by := c.Selector
		w.pods, w.says = &by, w.says+" on pods of "+by.String()
	}
	return w
}

// Validate has Chaos Mesh's own types check the spec.
func (c Mesh) Validate(report func(field, message, hint string)) {
	w := c.what()
	switch {
	case w.places && !c.Outside:
		report("kind", c.Kind+" breaks what is no pod of the namespace", "write outside: true if that is what you mean")
	case w.places && c.selects():
		report("", c.Kind+" is about no pods", "remove app, selector, role and name")
	}
	for _, key := range []string{"duration", "remoteCluster"} {
		if _, ok := c.Spec[key]; ok {
			report("spec", "spec."+key+" is not for a scenario to set", map[string]string{"duration": "say for: 2m in the fault", "remoteCluster": "name the cluster in target.kubernetes"}[key])
			return
		}
	}
	if _, own := c.Spec["selector"]; own && c.selects() {
		report("spec", "the pods are chosen twice: in spec.selector, and beside the spec", "keep one of them")
		return
	}
	checked(w, "spec", report)
}

// checked reports what Chaos Mesh would refuse of a form.
func checked(w what, field string, report func(field, message, hint string)) {
	if w.pods != nil {
		w.pods.Validate(report)
	}
	if w.peers != nil {
		w.peers.Validate(func(f, message, hint string) { report("with", message, hint) })
	}
	const anywhere = "target-namespace"
	spec := map[string]any{}
	for key, value := range w.spec {
		spec[key] = value
	}
	if w.pods != nil {
		choose(spec, anywhere, []kube.Pod{{}})
	}
	if w.peers != nil {
		peer := map[string]any{}
		choose(peer, anywhere, []kube.Pod{{}})
		spec["target"] = peer
	}
	if _, err := object(w.kind, anywhere, "check", spec); err != nil {
		report(field, err.Error(), "")
	}
}

// text is a duration as Chaos Mesh takes it.
func text(d time.Duration) string { return d.String() }

// percent is a share as Chaos Mesh takes it: "30" for 30%.
func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', -1, 64) }

// Network is what the short forms of network faults share.
type Network struct {
	kube.Selector
	Direction string         `yaml:"direction" doc:"Which packets: those that the pods send, those they are sent, or both." enum:"to,from,both" default:"to"`
	With      *kube.Selector `yaml:"with" doc:"Only those to or from these pods of the namespace." example:"{ app: postgres }"`
	External  []string       `yaml:"external" doc:"Only those to or from these addresses or names outside the cluster." example:"payments.example"`
}

func (n Network) what(action string, more map[string]any, says string) what {
	spec := map[string]any{"action": action, "direction": n.Direction}
	for key, value := range more {
		spec[key] = value
	}
	by := n.Selector
	w := what{kind: "NetworkChaos", spec: spec, pods: &by, peers: n.With, says: says + " of pods of " + by.String()}
	if n.With != nil {
		w.says += " " + n.Direction + " pods of " + n.With.String()
	}
	if len(n.External) > 0 {
		spec["externalTargets"] = n.External
		w.says += " " + n.Direction + " " + strings.Join(n.External, ", ")
	}
	return w
}

// NetDelay holds packets up.
type NetDelay struct {
	Network
	Delay       time.Duration `yaml:"delay" required:"true" doc:"How much later packets are." min:"1ms" max:"1m" example:"300ms"`
	Jitter      time.Duration `yaml:"jitter" doc:"How much that varies." max:"1m" example:"50ms"`
	Correlation float64       `yaml:"correlation" unit:"ratio" doc:"How much of it each packet has from the one before." min:"0" max:"1"`
}

func (c NetDelay) what() what {
	return c.Network.what("delay", map[string]any{"delay": map[string]any{"latency": text(c.Delay), "jitter": text(c.Jitter), "correlation": percent(c.Correlation)}}, "delay packets by "+text(c.Delay))
}

// Validate has Chaos Mesh's own types check it.
func (c NetDelay) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// NetLoss loses packets.
type NetLoss struct {
	Network
	Share       float64 `yaml:"share" unit:"ratio" required:"true" doc:"How many of the packets." min:"0" max:"1" example:"10%"`
	Correlation float64 `yaml:"correlation" unit:"ratio" doc:"How much each packet's fate depends on the one before." min:"0" max:"1"`
}

func (c NetLoss) what() what {
	return c.Network.what("loss", map[string]any{"loss": map[string]any{"loss": percent(c.Share), "correlation": percent(c.Correlation)}}, "lose "+percent(c.Share)+"% of the packets")
}

// Validate has Chaos Mesh's own types check it.
func (c NetLoss) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// NetDuplicate sends packets twice.
type NetDuplicate struct {
	Network
	Share       float64 `yaml:"share" unit:"ratio" required:"true" doc:"How many of the packets." min:"0" max:"1" example:"10%"`
	Correlation float64 `yaml:"correlation" unit:"ratio" doc:"How much each packet's fate depends on the one before." min:"0" max:"1"`
}

func (c NetDuplicate) what() what {
	return c.Network.what("duplicate", map[string]any{"duplicate": map[string]any{"duplicate": percent(c.Share), "correlation": percent(c.Correlation)}}, "send "+percent(c.Share)+"% of the packets twice")
}

// Validate has Chaos Mesh's own types check it.
func (c NetDuplicate) Validate(report func(field, message, hint string)) {
	checked(c.what(), "", report)
}

// NetCorrupt flips bits in packets.
type NetCorrupt struct {
	Network
	Share       float64 `yaml:"share" unit:"ratio" required:"true" doc:"How many of the packets." min:"0" max:"1" example:"10%"`
	Correlation float64 `yaml:"correlation" unit:"ratio" doc:"How much each packet's fate depends on the one before." min:"0" max:"1"`
}

func (c NetCorrupt) what() what {
	return c.Network.what("corrupt", map[string]any{"corrupt": map[string]any{"corrupt": percent(c.Share), "correlation": percent(c.Correlation)}}, "corrupt "+percent(c.Share)+"% of the packets")
}

// Validate has Chaos Mesh's own types check it.
func (c NetCorrupt) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// NetPartition cuts pods off.
type NetPartition struct{ Network }

func (c NetPartition) what() what { return c.Network.what("partition", nil, "drop the packets") }

// Validate has Chaos Mesh's own types check it.
func (c NetPartition) Validate(report func(field, message, hint string)) {
	checked(c.what(), "", report)
}

// NetBandwidth narrows the way.
type NetBandwidth struct {
	Network
	Rate   int64 `yaml:"rate" unit:"bandwidth" required:"true" doc:"How much may pass." min:"1KiB/s" example:"1MiB/s"`
	Limit  int64 `yaml:"limit" unit:"bytes" doc:"How much may wait." default:"20000B" min:"1B" max:"4GiB"`
	Buffer int64 `yaml:"buffer" unit:"bytes" doc:"How much may pass at once." default:"10000B" min:"1B" max:"4GiB"`
}

func (c NetBandwidth) what() what {
	return c.Network.what("bandwidth", map[string]any{"bandwidth": map[string]any{"rate": strconv.FormatInt(c.Rate, 10) + "bps", "limit": min(c.Limit, 1<<32-1), "buffer": min(c.Buffer, 1<<32-1)}},
		fmt.Sprintf("let %d bytes a second pass", c.Rate))
}

// Validate has Chaos Mesh's own types check it.
func (c NetBandwidth) Validate(report func(field, message, hint string)) {
	checked(c.what(), "", report)
}

// HTTP is what the short forms of HTTP faults share.
type HTTP struct {
	kube.Selector
	Port   int32  `yaml:"port" required:"true" doc:"The port that the pods serve on." min:"1" max:"65535" example:"8080"`
	On     string `yaml:"on" doc:"Whether requests or their answers are hit." enum:"request,response" default:"request"`
	Path   string `yaml:"path" doc:"Only requests with this path; * stands for anything." example:"/api/*"`
	Method string `yaml:"method" doc:"Only requests with this method." enum:"GET,HEAD,POST,PUT,PATCH,DELETE,CONNECT,OPTIONS,TRACE"`
}

func (h HTTP) what(action string, value any, says string) what {
	spec := map[string]any{"target": map[string]string{"request": "Request", "response": "Response"}[h.On], "port": h.Port, action: value}
	where := ""
	if h.Path != "" {
		spec["path"], where = h.Path, " "+h.Path
	}
	if h.Method != "" {
		spec["method"], where = h.Method, " "+h.Method+where
	}
	by := h.Selector
	return what{kind: "HTTPChaos", spec: spec, pods: &by, says: says + where + " of pods of " + by.String()}
}

// HTTPAbort breaks connections off.
type HTTPAbort struct{ HTTP }

func (c HTTPAbort) what() what { return c.HTTP.what("abort", true, "break off "+c.On+"s") }

// Validate has Chaos Mesh's own types check it.
func (c HTTPAbort) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// HTTPDelay holds requests or answers up.
type HTTPDelay struct {
	HTTP
	Delay time.Duration `yaml:"delay" required:"true" doc:"How much later they are." min:"1ms" max:"10m" example:"2s"`
}

func (c HTTPDelay) what() what {
	return c.HTTP.what("delay", text(c.Delay), "delay "+c.On+"s by "+text(c.Delay))
}

// Validate has Chaos Mesh's own types check it.
func (c HTTPDelay) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// Containers is what the short forms on containers share.
type Containers struct {
	kube.Selector
	Containers []string `yaml:"containers" doc:"The containers; the first of each pod unless told." example:"web"`
}

func (c Containers) what(kind string, spec map[string]any, says string) what {
	if len(c.Containers) > 0 {
		spec["containerNames"] = c.Containers
	}
	by := c.Selector
	return what{kind: kind, spec: spec, pods: &by, says: says + " in pods of " + by.String()}
}

// IO is what the short forms of file system faults share.
type IO struct {
	Containers
	Volume  string   `yaml:"volume" required:"true" doc:"Where the volume is mounted." example:"/var/lib/postgresql"`
	Path    string   `yaml:"path" doc:"Only files whose path this pattern matches." example:"/var/lib/postgresql/**/*"`
	Methods []string `yaml:"methods" doc:"Only these calls, as Chaos Mesh names them: READ, WRITE, FSYNC, …; all unless told." example:"WRITE"`
	Share   float64  `yaml:"share" unit:"ratio" doc:"How many of the calls." min:"0" max:"1" default:"100%"`
}

func (c IO) what(action, key string, value any, says string) what {
	spec := map[string]any{"action": action, "volumePath": c.Volume, "percent": int(c.Share*100 + 0.5), key: value}
	if c.Path != "" {
		spec["path"] = c.Path
	}
	if len(c.Methods) > 0 {
		spec["methods"] = c.Methods
	}
	return c.Containers.what("IOChaos", spec, says+" of "+c.Volume)
}

// IOLatency makes file operations slow.
type IOLatency struct {
	IO
	Delay time.Duration `yaml:"delay" required:"true" doc:"How much later they are." min:"1us" max:"10m" example:"100ms"`
}

func (c IOLatency) what() what {
	return c.IO.what("latency", "delay", text(c.Delay), "delay file operations by "+text(c.Delay))
}

// Validate has Chaos Mesh's own types check it.
func (c IOLatency) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// IOFault makes file operations fail.
type IOFault struct {
	IO
	Errno uint32 `yaml:"errno" doc:"The error: 5 is an input/output error, 28 a full disk." min:"1" max:"133" default:"5"`
}

func (c IOFault) what() what {
	return c.IO.what("fault", "errno", c.Errno, fmt.Sprintf("fail file operations with error %d", c.Errno))
}

// Validate has Chaos Mesh's own types check it.
func (c IOFault) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// CPUStress takes processor time.
type CPUStress struct {
	Containers
	Workers int     `yaml:"workers" doc:"How many processors are kept busy." min:"1" max:"1024" default:"1"`
	Load    float64 `yaml:"load" unit:"ratio" doc:"How busy." min:"0" max:"1" default:"100%"`
}

func (c CPUStress) what() what {
	return c.Containers.what("StressChaos", map[string]any{"stressors": map[string]any{"cpu": map[string]any{"workers": c.Workers, "load": int(c.Load*100 + 0.5)}}},
		fmt.Sprintf("keep %d processors %s%% busy", c.Workers, percent(c.Load)))
}

// Validate has Chaos Mesh's own types check it.
func (c CPUStress) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// MemoryStress takes memory.
type MemoryStress struct {
	Containers
	Size    int64 `yaml:"size" unit:"bytes" required:"true" doc:"How much, for each worker." min:"1MiB" example:"256MiB"`
	Workers int   `yaml:"workers" doc:"How many processes take it." min:"1" max:"1024" default:"1"`
}

func (c MemoryStress) what() what {
	return c.Containers.what("StressChaos", map[string]any{"stressors": map[string]any{"memory": map[string]any{"workers": c.Workers, "size": strconv.FormatInt(c.Size, 10)}}},
		fmt.Sprintf("take %d bytes of memory", c.Size*int64(c.Workers)))
}

// Validate has Chaos Mesh's own types check it.
func (c MemoryStress) Validate(report func(field, message, hint string)) {
	checked(c.what(), "", report)
}

// TimeSkew sets clocks off.
type TimeSkew struct {
	Containers
	By     time.Duration `yaml:"by" required:"true" doc:"How far clocks are ahead; with a minus, behind." min:"-8760h" max:"8760h" example:"-10m"`
	Clocks []string      `yaml:"clocks" doc:"Which clocks; CLOCK_REALTIME unless told." example:"CLOCK_REALTIME"`
}

func (c TimeSkew) what() what {
	spec := map[string]any{"timeOffset": text(c.By)}
	if len(c.Clocks) > 0 {
		spec["clockIds"] = c.Clocks
	}
	return c.Containers.what("TimeChaos", spec, "set clocks off by "+text(c.By))
}

// Validate has Chaos Mesh's own types check it.
func (c TimeSkew) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// DNS is what the short forms of DNS faults share.
type DNS struct {
	Containers
	Names []string `yaml:"names" doc:"Only names that these patterns match, such as payments.*; all unless told." example:"payments.*"`
}

func (c DNS) what(action, says string) what {
	spec := map[string]any{"action": action}
	if len(c.Names) > 0 {
		spec["patterns"] = c.Names
		says += " for " + strings.Join(c.Names, ", ")
	}
	return c.Containers.what("DNSChaos", spec, says)
}

// DNSError makes look-ups fail.
type DNSError struct{ DNS }

func (c DNSError) what() what { return c.DNS.what("error", "fail DNS look-ups") }

// Validate has Chaos Mesh's own types check it.
func (c DNSError) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// DNSRandom makes look-ups answer with any address.
type DNSRandom struct{ DNS }

func (c DNSRandom) what() what { return c.DNS.what("random", "answer DNS look-ups with any address") }

// Validate has Chaos Mesh's own types check it.
func (c DNSRandom) Validate(report func(field, message, hint string)) { checked(c.what(), "", report) }

// ContainerKill ends single containers of pods. It is a one-shot: the kubelet
// starts them anew.
type ContainerKill struct {
	kube.Selector
	Containers []string `yaml:"containers" required:"true" doc:"The containers, by their names." example:"web"`
}

func (c ContainerKill) what() what {
	by := c.Selector
	return what{kind: "PodChaos", spec: map[string]any{"action": "container-kill", "containerNames": c.Containers}, pods: &by,
		says: "kill containers " + strings.Join(c.Containers, ", ") + " of pods of " + by.String()}
}

// Validate has Chaos Mesh's own types check it.
func (c ContainerKill) Validate(report func(field, message, hint string)) {
	checked(c.what(), "", report)
}
