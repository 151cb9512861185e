package clock

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// Command is the name of the command that runs Main.
	Command = "clock-run"
	// monotonicVariable keeps libfaketime's hands off monotonic clocks.
	monotonicVariable = "FAKETIME_DONT_FAKE_MONOTONIC"
)

const usage = `brunt clock-run [--file FILE] [--monotonic OFFSET] -- COMMAND [ARGUMENT...]

Runs a command whose wall clock a clock fault can skew while it runs. The host's
clock is never touched.

  --file FILE         the timestamp file, made with no offset if there is none
  --library PATH      libfaketime, where it is not found by itself
  --monotonic OFFSET  set its monotonic and boot clocks off by this much for
                      all its life, in a time namespace (Linux 6.2, root)
`

// Main is the body of `brunt clock-run`. It becomes the command, with the same
// process id, so that pid files and supervisors hold; it returns, with an exit
// code, only when that fails.
func Main(args []string) int {
	err := run(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "brunt clock-run: %v\n\n%s", err, usage)
		return 2
	default:
		fmt.Fprintln(os.Stderr, "brunt clock-run:", err)
		return 1
	}
}

// errUsage marks a command line that makes no sense.
var errUsage = errors.New("wrong usage")

// run becomes the command; it returns only with an error.
func run(args []string) error {
	flags := flag.NewFlagSet(Command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("file", "", "")
	preload := flags.String("library", "", "")
	monotonic := flags.Duration("monotonic", 0, "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	command := flags.Args()
	switch {
	case len(command) == 0:
		return fmt.Errorf("%w: no command is given", errUsage)
	case *path == "" && *monotonic == 0:
		return fmt.Errorf("%w: neither --file nor --monotonic is given", errUsage)
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("find command: %w", err)
	}
	environment := os.Environ()
	if *path != "" {
		n, err := natureOf(program)
		if err != nil {
			return fmt.Errorf("look at command: %w", err)
		}
		if n.static {
			return fmt.Errorf("%s is linked statically, as most Go binaries are, so libfaketime cannot reach its clock", program)
		}
		if environment, err = prepare(environment, *path, *preload); err != nil {
			return err
		}
		if n.environment {
			command = append([]string{"env", program}, command[1:]...)
			if program, err = exec.LookPath("env"); err != nil {
				return fmt.Errorf("find env, which sets libfaketime up: %w", err)
			}
		}
	}
	return become(program, command, environment, *monotonic)
}

// prepare makes the timestamp file and the command's environment.
func prepare(environment []string, path, preload string) ([]string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find timestamp file: %w", err)
	}
	if preload == "" {
		if preload, err = findLibrary(os.DirFS("/")); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(preload); err != nil {
		return nil, fmt.Errorf("find libfaketime: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	switch {
	case errors.Is(err, os.ErrExist):
	case err != nil:
		return nil, fmt.Errorf("make timestamp file: %w", err)
	default:
		_, err := f.WriteString(noOffset)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("make timestamp file: %w", err)
		}
	}
	return faked(environment, preload, path), nil
}

// faked adds to an environment what loads libfaketime. Settings of its own
// that are there already win, but for the file's name.
func faked(environment []string, preload, path string) []string {
	had := parseEnviron(strings.Join(environment, "\x00"))
	if before := had["LD_PRELOAD"]; before != "" {
		preload += ":" + before
	}
	added := []string{"LD_PRELOAD=" + preload, fileVariable + "=" + path}
	if _, ok := had[monotonicVariable]; !ok {
		added = append(added, monotonicVariable+"=1")
	}
	if _, ok := had[cacheVariable]; !ok {
		added = append(added, cacheVariable+"=0")
	}
	var kept []string
	for _, entry := range environment {
		if name, _, _ := strings.Cut(entry, "="); name != "LD_PRELOAD" && name != fileVariable {
			kept = append(kept, entry)
		}
	}
	return append(kept, added...)
}

// A nature is what matters about a program here.
type nature struct {
	// static: it has no dynamic loader, which is what takes in LD_PRELOAD.
	static bool
	// environment: it keeps its environment by itself, as bash does, and does
	// not see what a preloaded library adds to it. Libfaketime, which shares
	// its state that way, then never looks at its file again, unless another
	// program has set it up before.
	environment bool
}

// natureOf looks into a program. A script is what its interpreter is.
func natureOf(program string) (nature, error) {
	f, err := os.Open(program)
	if err != nil {
		return nature{}, err
	}
	defer f.Close()
	var start [256]byte
	n, err := io.ReadFull(f, start[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nature{}, err
	}
	if line, script := strings.CutPrefix(string(start[:n]), "#!"); script {
		line, _, _ = strings.Cut(line, "\n")
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != program {
			return natureOf(fields[0])
		}
		return nature{}, nil
	}
	binary, err := elf.NewFile(f)
	if err != nil {
		return nature{}, fmt.Errorf("%s is neither a program nor a script: %w", program, err)
	}
	found := nature{static: true}
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			found.static = false
		}
	}
	symbols, err := binary.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nature{}, fmt.Errorf("read symbols of %s: %w", program, err)
	}
	for _, s := range symbols {
		if s.Name == "setenv" && s.Section != elf.SHN_UNDEF {
			found.environment = true
		}
	}
	return found, nil
}
