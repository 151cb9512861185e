// Package exec lets a team break things with commands of its own: one that
// injects, one that undoes, one that verifies.
//
// Commands are programs with arguments; no shell stands between. They run in a
// session of their own, so that Ctrl-C of brunt does not reach an undo that is
// under way, with nothing on their standard input, and for a bounded time:
// past it, the whole process group is killed. The last 4 KiB of what they
// write are kept for messages. What they leave running in the background must
// have its output redirected: a pipe that brunt reads ends with the command.
//
// What the commands owe brunt:
//
//   - verify exits with 0 while the fault is in effect and with 1 while it is
//     not. Any other exit is an error: it could not tell. It looks by another
//     way than inject's, and changes nothing: brunt runs it before inject too,
//     and refuses to inject what is in effect already or cannot be told.
//   - undo is idempotent: it may be run twice, without inject, and after an
//     inject that failed half-way or was killed. It exits with 0 when all is
//     as before.
//
// The commands lie in the receipt, with the folder, PATH and the programs' full
// paths, so `brunt undo` needs nothing else. Values of other environment
// variables do not lie there, only names: a command gets HOME, USER, LANG,
// TMPDIR and what `env` names from the environment of the brunt that runs it,
// which for `brunt undo` may be another shell's. Arguments do lie in the receipt; one
// that holds the value of a variable that env names, or of one that is called
// like a secret, is refused.
//
// Besides, each command gets BRUNT_FAULT, the fault's name, BRUNT_FAULT_ID, the
// receipt's ID, and BRUNT_STEP: inject, undo or verify. By these, on Linux, an
// undo finds an inject that still runs because the brunt that started it was
// killed, and kills it first: it must not finish after the undo.
package exec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "exec"

const (
	// defaultTimeout is how long a command may take.
	defaultTimeout = 10 * time.Second
	// longestTimeout leaves an undo, and the proof of it, within chaos.UndoBound.
	longestTimeout = 30 * time.Second
)

// Config is one fault by a team's own commands.
type Config struct {
	Inject  []string      `yaml:"inject" required:"true" doc:"The command that breaks something: a program and its arguments; no shell is involved." example:"[flagctl, set, slow-checkout, on]"`
	Undo    []string      `yaml:"undo" doc:"The command that mends it; it may be run more than once, and without inject." example:"[flagctl, set, slow-checkout, off]"`
	Verify  []string      `yaml:"verify" required:"true" doc:"The command that looks: exit code 0 while the fault is in effect, 1 while it is not, any other when it cannot tell." example:"[./checkout-is-slow.sh]"`
	OneShot bool          `yaml:"one_shot" doc:"There is nothing to undo: what inject does stays done."`
	Timeout time.Duration `yaml:"timeout" doc:"How long each command may take before it is killed." default:"10s" min:"1ms" max:"30s"`
	Env     []string      `yaml:"env" doc:"The names of environment variables that the commands get, beside PATH, HOME, USER, LANG and TMPDIR; their values are never written down." example:"[FLAG_TOKEN]"`
	Dir     string        `yaml:"dir" doc:"The folder in which the commands run; the one brunt runs in when not given."`
	Targets []string      `yaml:"targets" doc:"What is broken, for people and for safety.max_targets; the inject command when not given." example:"[the checkout's feature flags]"`
}

// Validate reports commands that are missing or make no sense.
func (c Config) Validate(report func(field, message, hint string)) {
	for _, command := range []struct {
		field string
		argv  []string
		need  bool
	}{{"inject", c.Inject, true}, {"undo", c.Undo, !c.OneShot}, {"verify", c.Verify, true}} {
		switch {
		case command.need && len(command.argv) == 0 && command.field == "undo":
			report("undo", "nothing undoes it", "give an undo command, or say `one_shot: true` where what is done stays done")
		case command.need && len(command.argv) == 0:
			report(command.field, "the command is missing", `a program and its arguments, such as ["flagctl", "get", "slow"]`)
		case len(command.argv) > 0 && command.argv[0] == "":
			report(command.field, "the program has no name", "")
		case strings.Contains(strings.Join(command.argv, ""), "\x00"):
			report(command.field, "an argument holds a zero byte", "")
		}
	}
	if len(c.Inject) == 1 && strings.ContainsAny(c.Inject[0], " |&;<>") {
		report("inject", fmt.Sprintf("%q is one word, and no shell takes it apart", c.Inject[0]), `write ["sh", "-c", "…"], or each argument as an item`)
	}
	if c.OneShot && len(c.Undo) > 0 {
		report("undo", "a one-shot has nothing to undo", "remove undo or one_shot")
	}
	if c.Timeout < 0 || c.Timeout > longestTimeout {
		report("timeout", fmt.Sprintf("it is not between 0s and %s", longestTimeout), "let a long inject go on in the background, with its output redirected")
	}
	for _, name := range c.Env {
		if !goodName(name) {
			report("env", fmt.Sprintf("%q is not the name of an environment variable", hideValue(name)), "names only: env: [FLAG_TOKEN]; values are taken from brunt's environment")
		}
	}
}

// hideValue keeps the value of NAME=VALUE out of a message.
func hideValue(text string) string {
	if name, _, ok := strings.Cut(text, "="); ok {
		return name + "=…"
	}
	return text
}

// goodName says whether a text can name an environment variable.
func goodName(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// What says what the fault does: "run flagctl set slow-checkout on".
func What(c Config) string {
	if len(c.Inject) == 0 {
		return "nothing"
	}
	return "run " + brief(c.Inject)
}

// brief is a command for people, cut short.
func brief(argv []string) string {
	const most = 80
	text := []rune(strings.Join(strings.Fields(strings.Join(argv, " ")), " "))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

// OneShot is true where the configuration says that there is nothing to undo.
func OneShot(c Config) bool { return c.OneShot }

// New makes the fault; it runs nothing.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, fmt.Errorf("%s: %s", field, message))
	})
	if problem == nil && c.Dir != "" {
		c.Dir, problem = filepath.Abs(c.Dir)
	}
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return &fault{name: env.Fault, config: c, pause: firstPause}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{pause: firstPause} }

// fault is one fault by commands; made by Mend it has receipts only.
type fault struct {
	name   string
	config Config
	pause  time.Duration // before an undo that failed is run again
}
