package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// data is what the receipts of this kind hold. There are no secrets in it.
type data struct {
	Inject  command       `json:"inject"`
	Undo    *command      `json:"undo,omitempty"`
	Verify  command       `json:"verify"`
	Timeout time.Duration `json:"timeout_ns"`
	Env     []string      `json:"env,omitempty"` // names
	Dir     string        `json:"dir"`
	Path    string        `json:"path"` // PATH, so that scripts find their programs from any shell
}

// A command is a program and its arguments, the program's name first.
type command struct {
	Path string   `json:"path"` // the program's file, from the root
	Args []string `json:"args"`
}

// The steps that a command is run for, as BRUNT_STEP says.
const (
	stepInject = "inject"
	stepUndo   = "undo"
	stepVerify = "verify"
)

// Verify's exit codes.
const (
	exitActive = 0
	exitGone   = 1
)

// Prepare looks for the programs and the variables, and runs verify to see
// that it works and that the fault is not in effect already.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if len(f.config.Inject) == 0 {
		return chaos.Receipt{}, errors.New("prepare exec fault: it has no configuration")
	}
	d, err := f.data()
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	targets := f.config.Targets
	if len(targets) == 0 {
		targets = []string{brief(f.config.Inject)}
	}
	receipt, err := chaos.NewReceipt(f.name, Kind, targets, f.config.OneShot, d)
	if err != nil {
		return chaos.Receipt{}, err
	}
	receipt.Class = chaos.Durable // what a command does may outlast a reboot
	switch state, err := d.look(ctx, receipt); {
	case err != nil:
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	case state != chaos.Gone:
		return chaos.Receipt{}, &chaos.ConflictError{Target: targets[0], Want: "the fault not to be in effect", Found: "that " + brief(d.Verify.Args) + " says it is"}
	}
	return receipt, nil
}

// data is the configuration with everything looked up.
func (f *fault) data() (data, error) {
	c := f.config
	d := data{Timeout: c.Timeout, Env: c.Env, Dir: c.Dir, Path: os.Getenv("PATH")}
	var err error
	if d.Dir == "" {
		if d.Dir, err = os.Getwd(); err != nil {
			return data{}, fmt.Errorf("find folder: %w", err)
		}
	}
	if info, err := os.Stat(d.Dir); err != nil {
		return data{}, fmt.Errorf("find folder: %w", err)
	} else if !info.IsDir() {
		return data{}, fmt.Errorf("%s is not a folder", d.Dir)
	}
	if d.Inject, err = find(c.Inject, d.Dir); err != nil {
		return data{}, fmt.Errorf("inject: %w", err)
	}
	if d.Verify, err = find(c.Verify, d.Dir); err != nil {
		return data{}, fmt.Errorf("verify: %w", err)
	}
	if len(c.Undo) > 0 {
		undo, err := find(c.Undo, d.Dir)
		if err != nil {
			return data{}, fmt.Errorf("undo: %w", err)
		}
		d.Undo = &undo
	}
	for step, argv := range map[string][]string{stepInject: c.Inject, stepUndo: c.Undo, stepVerify: c.Verify} {
		if name, found := chaos.SecretIn(argv, os.Environ(), c.Env); found {
			return data{}, fmt.Errorf("%s: an argument holds the value of the environment variable %s, and arguments are written to the receipt: name it in env, and let the command read it itself (in a shell's script, write $$%[2]s)", step, name)
		}
	}
	return d, nil
}

// find looks up a command's program: a name in PATH, a path from dir.
func find(argv []string, dir string) (command, error) {
	name := argv[0]
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	path, err := osexec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return command{}, fmt.Errorf("find program: %w", err)
	}
	return command{Path: path, Args: argv}, nil
}

// Inject runs the inject command. That it exits with 0 proves nothing; Verify
// does.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	return d.do(ctx, d.Inject, stepInject, receipt)
}

const (
	// undoTries is how often an undo that fails is run.
	undoTries = 3
	// firstPause is waited before the second time, and twice that before the third.
	firstPause = 200 * time.Millisecond
)

// Undo kills an inject that still runs, and runs the undo command, again
// should it fail, but not when it hung.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil || d.Undo == nil {
		return err
	}
	if err := killInject(receipt.ID); err != nil {
		return fmt.Errorf("undo %s: stop its inject command: %w", receipt.Fault, err)
	}
	for try, wait := 1, f.pause; ; try, wait = try+1, 2*wait {
		err := d.do(ctx, *d.Undo, stepUndo, receipt)
		if err == nil || try == undoTries || errors.Is(err, errTimeout) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// Foreign is what an undo runs.
func (f *fault) Foreign() string { return "runs " + brief(f.config.Undo) }

// Verify runs the verify command.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	return d.look(ctx, receipt)
}

// do runs a command that must exit with 0.
func (d data) do(ctx context.Context, c command, step string, receipt chaos.Receipt) error {
	r, err := d.run(ctx, c, step, receipt)
	if err != nil {
		return fmt.Errorf("run %s command: %w", step, err)
	}
	if r.code != 0 {
		return fmt.Errorf("run %s command: %s exited with %d%s", step, brief(c.Args), r.code, r.said())
	}
	return nil
}

// look runs the verify command and reads its exit code.
func (d data) look(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	r, err := d.run(ctx, d.Verify, stepVerify, receipt)
	switch {
	case err != nil:
		return "", fmt.Errorf("run verify command: %w", err)
	case r.code == exitActive:
		return chaos.Active, nil
	case r.code == exitGone:
		return chaos.Gone, nil
	}
	return "", fmt.Errorf("run verify command: %s exited with %d, which is neither %d (in effect) nor %d (not in effect)%s",
		brief(d.Verify.Args), r.code, exitActive, exitGone, r.said())
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	err := json.Unmarshal(receipt.Data, &d)
	switch {
	case err != nil:
	case !d.Inject.good() || !d.Verify.good() || d.Undo != nil && !d.Undo.good():
		err = errors.New("it names no commands")
	case d.Undo == nil && !receipt.OneShot:
		err = errors.New("it names no undo command")
	case d.Timeout <= 0 || d.Timeout > longestTimeout:
		err = fmt.Errorf("its time limit is %s", d.Timeout)
	}
	if err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	return d, nil
}

func (c command) good() bool { return filepath.IsAbs(c.Path) && len(c.Args) > 0 }
