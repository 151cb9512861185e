// Package docker breaks containers through the Docker Engine API: kill, which
// is a one-shot, and pause, stop, network disconnect and resource limits, which
// undo takes back. It finds them by name or label, and touches none that the
// scenario's target.containers does not allow.
//
// A container is its id, never its name alone: one that was removed and made
// anew under the same name is another one and is left alone. Labels of a
// running container cannot be changed, so ownership is the receipt together
// with the container being as the fault left it; whatever was changed since by
// someone else is reported as a conflict and stays.
//
// Verify asks the engine, and, where the container's processes run on this
// machine, the kernel as well: its cgroups and its network namespace. Both must
// say the same.
//
// Only unix sockets are spoken to. What reaches the engine's socket is root on
// its host; brunt does no more with it than the calls named here.
package docker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "docker"

// leastMemory is the smallest limit that engines accept.
const leastMemory = 6 << 20

// Config is one fault on containers: exactly one of its actions.
type Config struct {
	Kill       *Target       `yaml:"kill" doc:"End the container's processes at once with SIGKILL. It stays dead: engines take it for a stop by hand, which no restart policy answers." example:"shop-2"`
	Pause      *Target       `yaml:"pause" doc:"Freeze the container's processes; the undo lets them run again." example:"shop-1"`
	Stop       *Target       `yaml:"stop" doc:"Stop the container; the undo starts it again." example:"{ label: app=payments }"`
	Disconnect *Target       `yaml:"disconnect" doc:"Take the container off a network; the undo puts it back with the same aliases and, where the network allows it, address." example:"shop-1"`
	Limit      *Target       `yaml:"limit" doc:"Limit the container's CPU or memory; the undo restores what was before." example:"shop-1"`
	Grace      time.Duration `yaml:"grace" doc:"With stop: how long the container has to end by itself before it is killed; by default its own setting." min:"0s" example:"5s"`
	Network    string        `yaml:"network" doc:"With disconnect: the network; needed where the container is on several." example:"backend"`
	CPUs       float64       `yaml:"cpus" doc:"With limit: how many CPUs it may use." min:"0" example:"0.2"`
	Memory     int64         `yaml:"memory" unit:"bytes" doc:"With limit: how much memory it may use; more is swapped out or killed." min:"6MiB" example:"64MiB"`
	Host       string        `yaml:"host" doc:"The engine's socket; by default that of DOCKER_HOST, else /var/run/docker.sock." example:"unix:///var/run/docker.sock"`
}

// A Target says which containers are meant, in exactly one way.
type Target struct {
	Name  string `yaml:"name" scalar:"true" doc:"A container's name." example:"shop-2"`
	Label string `yaml:"label" doc:"A label that running containers have, as KEY or KEY=VALUE." example:"app=payments"`
	Pick  string `yaml:"pick" doc:"Which of several containers with the label; without it that is refused." enum:"oldest,newest,all"`
}

// Actions.
const (
	kill       = "kill"
	pause      = "pause"
	stop       = "stop"
	disconnect = "disconnect"
	limit      = "limit"
)

// Validate reports what no container can be found by, and settings of another
// action.
func (c Config) Validate(report func(field, message, hint string)) {
	const hint = "say kill, pause, stop, disconnect or limit, and which container: `pause: shop-1` or `kill: { label: app=shop, pick: oldest }`"
	actions := c.actions()
	if len(actions) != 1 {
		report("", fmt.Sprintf("exactly one of kill, pause, stop, disconnect and limit is needed, and there are %d", len(actions)), hint)
		return
	}
	action, target := c.only()
	switch {
	case (target.Name == "") == (target.Label == ""):
		report(action, "exactly one of name and label is needed", hint)
	case target.Pick != "" && target.Label == "":
		report(action+".pick", "pick chooses among the containers with a label, and no label is given", "remove pick")
	case !slices.Contains([]string{"", "oldest", "newest", "all"}, target.Pick):
		report(action+".pick", fmt.Sprintf("%q is no way to pick", target.Pick), "oldest, newest or all")
	}
	for _, s := range []struct {
		field, of string
		set       bool
	}{
		{"grace", stop, c.Grace != 0}, {"network", disconnect, c.Network != ""},
		{"cpus", limit, c.CPUs != 0}, {"memory", limit, c.Memory != 0},
	} {
		if s.set && s.of != action {
			report(s.field, fmt.Sprintf("it belongs to %s, and the action is %s", s.of, action), "remove "+s.field)
		}
	}
	if action == limit && c.CPUs == 0 && c.Memory == 0 {
		report("limit", "no limit is given", "give cpus or memory or both")
	}
	if c.CPUs < 0 || c.CPUs != 0 && c.CPUs < 0.01 {
		report("cpus", "the least that the kernel can share out is 0.01", "")
	}
	if c.Memory != 0 && c.Memory < leastMemory {
		report("memory", "engines accept no less than 6MiB", "")
	}
	if c.Grace < 0 {
		report("grace", "it is negative", "")
	}
	if c.Host != "" {
		if _, err := socketOf(c.Host); err != nil {
			report("host", err.Error(), "unix:///var/run/docker.sock")
		}
	}
}

// actions are those set, by name.
func (c Config) actions() map[string]*Target {
	actions := map[string]*Target{kill: c.Kill, pause: c.Pause, stop: c.Stop, disconnect: c.Disconnect, limit: c.Limit}
	maps.DeleteFunc(actions, func(_ string, target *Target) bool { return target == nil })
	return actions
}

// only returns the one action set; Validate or New has made sure of it.
func (c Config) only() (action string, target *Target) {
	for action, target = range c.actions() {
		break
	}
	return action, target
}

func (t Target) String() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Pick == "all":
		return "all with label " + t.Label
	default:
		return strings.TrimPrefix(t.Pick+" with label "+t.Label, " ")
	}
}

// What says what the fault does: "disconnect shop-1 from backend".
func What(c Config) string {
	action, target := c.only()
	if target == nil {
		return "nothing"
	}
	what := action + " " + target.String()
	switch action {
	case disconnect:
		if c.Network != "" {
			what += " from " + c.Network
		}
	case limit:
		var parts []string
		if c.CPUs > 0 {
			parts = append(parts, fmt.Sprintf("%.4g CPUs", c.CPUs))
		}
		if c.Memory > 0 {
			parts = append(parts, bytes(c.Memory)+" of memory")
		}
		what += " to " + strings.Join(parts, " and ")
	}
	return what
}

// bytes writes an amount of memory for people.
func bytes(n int64) string {
	switch {
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// OneShot is true for kill.
func OneShot(c Config) bool { return c.Kill != nil }

// New makes the fault; it touches nothing.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	for _, entry := range env.Containers {
		problem = errors.Join(problem, checkAllowed(entry))
	}
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	return &fault{name: env.Fault, config: c, allowed: env.Containers, protect: env.Protect}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }
