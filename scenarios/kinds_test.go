package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// The kinds below are small ones for these tests: they have the keys that the
// language knows of, and do nothing.

type testHTTP struct {
	Base        string            `yaml:"base" doc:"The URL under which the steps are." example:"http://127.0.0.1:8080"`
	Timeout     time.Duration     `yaml:"timeout" default:"5s" doc:"How long a request may take."`
	Protocol    string            `yaml:"protocol" enum:"auto,h1,h2" default:"auto" doc:"The version of HTTP."`
	Headers     map[string]string `yaml:"headers" template:"true" doc:"Headers of every request."`
	Connections testConnections   `yaml:"connections" doc:"How connections are kept."`
	Get         string            `yaml:"get" template:"true" scalar:"true" doc:"A single request."`

	Proxy     string              `yaml:"proxy" doc:"A way."`
	Unix      string              `yaml:"unix" doc:"Another."`
	ConnectTo map[string][]string `yaml:"connect_to" doc:"A third."`

	Steps []testStep `yaml:"steps" doc:"The flow."`
}

type testConnections struct {
	Max         int           `yaml:"max" doc:"The most connections."`
	MaxAge      time.Duration `yaml:"max_age" doc:"The age at which one is replaced."`
	MaxRequests int           `yaml:"max_requests" doc:"The most requests on one."`
}

type testStep struct {
	Get     string            `yaml:"get" template:"true" doc:"A path."`
	Post    string            `yaml:"post" template:"true" doc:"A path."`
	Name    string            `yaml:"name" doc:"Its name."`
	Headers map[string]string `yaml:"headers" template:"true" doc:"Headers."`
	JSON    any               `yaml:"json" template:"true" doc:"A body."`
	Body    string            `yaml:"body" template:"true" doc:"A body."`
	Extract map[string]string `yaml:"extract" doc:"Variables to take from the answer."`
	Think   string            `yaml:"think" doc:"A pause."`
	Check   map[string]any    `yaml:"check" doc:"What must be so."`
}

func (c testHTTP) Validate(report func(field, message, hint string)) {
	if c.Base != "" && !strings.Contains(c.Base, "://") {
		report("base", "a base is a URL", "write http://"+c.Base)
	}
	if c.Base == "" && c.Get == "" {
		report("", "base is missing", "")
	}
}

type idle struct{}

func (idle) Open(context.Context, int) (generators.Session, error) {
	return nil, errors.New("a kind of these tests does nothing")
}

func newTestHTTP(c testHTTP, env generators.Env) (generators.Generator, error) {
	for _, s := range c.Steps {
		if s.Name == "impossible" {
			return nil, fmt.Errorf("step %s cannot be made", s.Name)
		}
	}
	return idle{}, nil
}

func testSteps(c testHTTP) []string {
	var names []string
	for _, s := range c.Steps {
		switch {
		case s.Think != "":
		case s.Name != "":
			names = append(names, s.Name)
		default:
			names = append(names, "step"+fmt.Sprint(len(names)+1))
		}
	}
	return names
}

type testProcess struct {
	Kill  string `yaml:"kill" doc:"The process to end."`
	Pause string `yaml:"pause" doc:"The process to stop for a while."`
}

func (c testProcess) Validate(report func(field, message, hint string)) {
	if (c.Kill == "") == (c.Pause == "") {
		report("", "kill or pause is needed, one of them", "write { kill: NAME }")
	}
}

type testProxy struct {
	On      string        `yaml:"on" required:"true" doc:"The proxy."`
	Latency time.Duration `yaml:"latency" doc:"How much later everything arrives."`
	Note    string        `yaml:"note" doc:"Shown in the plan."`
}

type testDNS struct {
	On    string   `yaml:"on" required:"true" doc:"The resolver."`
	Names []string `yaml:"names" doc:"The names."`
}

type testDocker struct {
	Pause *testContainer `yaml:"pause" doc:"The container to freeze."`
}

type testContainer struct {
	Name  string `yaml:"name" scalar:"true" doc:"Its name."`
	Label string `yaml:"label" doc:"Its label."`
}

type noFault struct{}

func (noFault) Prepare(context.Context) (chaos.Receipt, error)             { return chaos.Receipt{}, nil }
func (noFault) Inject(context.Context, chaos.Receipt) error                { return nil }
func (noFault) Undo(context.Context, chaos.Receipt) error                  { return nil }
func (noFault) Verify(context.Context, chaos.Receipt) (chaos.State, error) { return chaos.Gone, nil }

type testHPA struct {
	Name       string  `yaml:"name" scalar:"true" required:"true" doc:"Which one."`
	PerReplica float64 `yaml:"per_replica" unit:"rate" doc:"What a replica bears."`
}

// breaksProcess is a fault on processes whose names are known.
type breaksProcess struct {
	noFault
	name  string
	holds []string
}

func (b breaksProcess) Claims() []string { return b.holds }

func (b breaksProcess) Follows() error {
	if !strings.Contains(b.name, "*") {
		return fmt.Errorf("%s is one process, and no pattern of names", b.name)
	}
	return nil
}

func (b breaksProcess) Follow(context.Context, []chaos.Receipt) (chaos.Receipt, error) {
	return chaos.Receipt{}, chaos.ErrNoTarget
}

// slowsProxy is a fault on a proxy.
type slowsProxy struct {
	noFault
	on string
}

func (s slowsProxy) Claims() []string { return []string{"proxy/" + s.on + "/latency"} }

type testProbe struct {
	URL    string        `yaml:"url" scalar:"true" required:"true" doc:"Where to look."`
	Every  time.Duration `yaml:"every" default:"1s" doc:"How often."`
	Status int           `yaml:"status" default:"200" doc:"The status that is healthy."`
	JSON   string        `yaml:"json" doc:"The number to read."`
}

type noProbe struct{}

func (noProbe) Watch(ctx context.Context, _ func(probes.Reading)) error {
	<-ctx.Done()
	return nil
}

func testKinds() Kinds {
	return Kinds{
		Generators: []GeneratorKind{GeneratorOf("http", "HTTP requests.", newTestHTTP, testSteps)},
		Faults: []FaultKind{
			FaultOf("process", "Breaks a process.",
				func(c testProcess, env chaos.Env) (chaos.Fault, error) {
					b := breaksProcess{name: c.Kill + c.Pause}
					for name := range env.Processes {
						if matched, err := path.Match(b.name, name); err == nil && matched {
							b.holds = append(b.holds, "process/"+name)
						}
					}
					if len(b.holds) == 0 {
						return nil, fmt.Errorf("the stack has no process %q", b.name)
					}
					slices.Sort(b.holds)
					return b, nil
				},
				func() chaos.Fault { return noFault{} },
				func(c testProcess) string {
					if c.Kill != "" {
						return "kill " + c.Kill
					}
					return "pause " + c.Pause
				},
				func(c testProcess) bool { return c.Kill != "" }),
			FaultOf("proxy", "Breaks what passes a proxy.",
				func(c testProxy, env chaos.Env) (chaos.Fault, error) {
					if _, ok := env.Proxies[c.On]; !ok {
						return nil, fmt.Errorf("there is no proxy %q", c.On)
					}
					return slowsProxy{on: c.On}, nil
				},
				func() chaos.Fault { return noFault{} },
				func(c testProxy) string {
					return strings.TrimSpace(fmt.Sprintf("latency %s on %s %s", c.Latency, c.On, c.Note))
				},
				func(testProxy) bool { return false }),
			FaultOf("dns", "Breaks what a resolver says.",
				func(c testDNS, env chaos.Env) (chaos.Fault, error) {
					if _, ok := env.Resolvers[c.On]; !ok {
						return nil, fmt.Errorf("there is no resolver %q", c.On)
					}
					return noFault{}, nil
				},
				func() chaos.Fault { return noFault{} },
				func(c testDNS) string { return "nothing for " + strings.Join(c.Names, ", ") + " on " + c.On },
				func(testDNS) bool { return false }),
			FaultOf("docker", "Breaks a container.",
				func(_ testDocker, env chaos.Env) (chaos.Fault, error) {
					if len(env.Containers) == 0 {
						return nil, errors.New("no container is allowed")
					}
					return noFault{}, nil
				},
				func() chaos.Fault { return noFault{} },
				func(c testDocker) string { return "pause " + c.Pause.Name + c.Pause.Label },
				func(testDocker) bool { return false }),
		},
		Probes: []ProbeKind{ProbeOf("http", "Watches a URL.",
			func(testProbe, probes.Env) (probes.Probe, error) { return noProbe{}, nil },
			func(testProbe) string { return "" },
			func(c testProbe) string { return strings.TrimSpace("GET " + c.URL + " " + c.JSON) }),
			ScalingProbeOf("hpa", "Watches an autoscaler.",
				func(testHPA, probes.Env) (probes.Probe, error) { return noProbe{}, nil },
				func(c testHPA) string { return "hpa " + c.Name },
				[]string{"ready", "desired"},
				func(c testHPA) journal.ScalingPlan { return journal.ScalingPlan{PerReplica: c.PerReplica} })},
		Stacks: []StackKind{{Name: "shop", Doc: "A shop.", Vars: []string{"url", "status", "payments", "payments_via"}, Processes: []string{"lb", "shop-1", "shop-2"}}},
		Planned: []PlannedKind{
			{"generator", "kafka", "Records to Kafka."}, {"generator", "k6", "A k6 script."},
			{"fault", "pod_kill", "Ends pods."}, {"fault", "net_delay", "Slows the network."},
			{"probe", "prometheus", "A query."}, {"probe", "postgres_lag", "Replication lag."},
			{"expectation", "recovery", "How long it took to recover."},
		},
	}
}
