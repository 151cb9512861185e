package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// keptOutput is how much of the end of a command's output is kept.
	keptOutput = 4 << 10
	// drain is how long output is still read once a command has ended, while
	// something it left running holds it open.
	drain = 200 * time.Millisecond
)

// The variables that say to a command what it is run for.
const (
	faultVariable = "BRUNT_FAULT"
	idVariable    = "BRUNT_FAULT_ID"
	stepVariable  = "BRUNT_STEP"
)

// errTimeout says that a command was killed because it took too long.
var errTimeout = errors.New("it took too long and was killed")

// A result is how a command ended by itself.
type result struct {
	code   int
	output string // the end of it, without the values of variables
}

// said is the output for the end of a message.
func (r result) said() string {
	if r.output == "" {
		return ""
	}
	return "; it said: " + r.output
}

// run runs a command to its end, at most for the time limit. An error says that
// it did not get there.
func (d data) run(ctx context.Context, c command, step string, receipt chaos.Receipt) (result, error) {
	if err := ctx.Err(); err != nil {
		return result{}, err
	}
	environ, hide, err := d.environ()
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout, errTimeout)
	defer cancel()
	var output tail
	cmd := osexec.CommandContext(ctx, c.Path)
	cmd.Args, cmd.Dir = c.Args, d.Dir
	cmd.Env = slices.Concat(environ, []string{faultVariable + "=" + receipt.Fault, idVariable + "=" + receipt.ID, stepVariable + "=" + step})
	cmd.Stdout, cmd.Stderr = &output, &output // one writer: os/exec uses one pipe and one goroutine
	cmd.SysProcAttr = ownSession()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = drain
	if err = cmd.Start(); err == nil {
		pass(step)
		err = cmd.Wait()
	}
	r := result{output: output.text(hide)}
	var exit *osexec.ExitError
	switch {
	case err == nil, errors.Is(err, osexec.ErrWaitDelay): // it has ended well; what it started may go on
		return r, nil
	case ctx.Err() != nil:
		return result{}, fmt.Errorf("%s: %w%s", brief(c.Args), context.Cause(ctx), r.said())
	case errors.As(err, &exit) && exit.Exited():
		r.code = exit.ExitCode()
		return r, nil
	case errors.As(err, &exit):
		return result{}, fmt.Errorf("%s: %s%s", brief(c.Args), exit.ProcessState, r.said())
	}
	return result{}, err
}

// pass marks that a command runs.
func pass(step string) {
	switch step {
	case stepInject:
		chaos.Pass(chaos.Injecting)
	case stepUndo:
		chaos.Pass(chaos.Undoing)
	}
}

// passed are the variables that every command gets, beside PATH.
func passed() []string { return []string{"HOME", "USER", "LANG", "TMPDIR"} }

// environ is what a command gets of brunt's environment, and the secrets in it:
// the values of the variables that env names.
func (d data) environ() (environ []string, hide secrets, err error) {
	if !slices.Contains(d.Env, "PATH") {
		environ = append(environ, "PATH="+d.Path)
	}
	for _, name := range passed() {
		if value, ok := os.LookupEnv(name); ok && !slices.Contains(d.Env, name) {
			environ = append(environ, name+"="+value)
		}
	}
	var missing []string
	for _, name := range d.Env {
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = append(missing, name)
			continue
		}
		environ = append(environ, name+"="+value)
		if len(value) >= chaos.ShortestSecret {
			hide = append(hide, value, "${"+name+"}")
		}
	}
	if len(missing) > 0 {
		return nil, nil, fmt.Errorf("the command needs %s from the environment, and it is not set", strings.Join(missing, ", "))
	}
	return environ, hide, nil
}

// secrets are values, each followed by what is written in its place.
type secrets []string

// longest is the length of the longest value.
func (s secrets) longest() int {
	n := 0
	for i := 0; i < len(s); i += 2 {
		n = max(n, len(s[i]))
	}
	return n
}

// tail keeps the end of what is written to it. It is used by one goroutine at
// a time.
type tail struct {
	kept []byte
	cut  bool
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > keptOutput {
		p, t.cut = p[len(p)-keptOutput:], true
	}
	if over := len(t.kept) + len(p) - keptOutput; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// text is what was kept, on one line, without secrets and without what no
// terminal should see.
func (t *tail) text(hide secrets) string {
	kept := t.kept
	if t.cut { // it may begin with the end of a secret, or of a character
		kept = kept[min(len(kept), max(0, hide.longest()-1)):]
		for len(kept) > 0 && !utf8.RuneStart(kept[0]) {
			kept = kept[1:]
		}
	}
	text := strings.NewReplacer(hide...).Replace(strings.ToValidUTF8(string(kept), "�"))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if t.cut {
		text = "…" + text
	}
	return text
}
