// Command brunt is a load-testing and chaos-engineering toolkit: a scenario
// file in, one verdict out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Exit codes. Every run's verdict is one of them; they never change meaning.
const (
	exitPass         = 0
	exitFail         = 1
	exitUsage        = 2 // bad usage, a bad scenario, or a refused preflight
	exitInconclusive = 3
	exitFaultLeft    = 4 // a fault is not verified undone; outranks all
	exitInternal     = 70
	exitInterrupted  = 130 // interrupted, and everything undone
)

func main() {
	// Kubernetes' client libraries write to stderr as they please; what matters
	// of it comes back as errors.
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard()) // Chaos Mesh's types log as they validate
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "brunt: internal error: %v\n\nThis is a bug in brunt. If a run was under way, mend what it broke with: brunt undo RUNDIR\n", p)
			code = exitInternal
		}
	}()
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var ended *exitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &ended):
		if ended.err != nil {
			fmt.Fprintln(stderr, ended.err)
		}
		return ended.code
	default: // cobra's own: unknown command or flag
		fmt.Fprintf(stderr, "brunt: %v\n", err)
		return exitUsage
	}
}

// An exitError ends a command with a code. Without err, everything there is
// to say has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprintf("exit %d: %v", e.code, e.err) }
func (e *exitError) Unwrap() error { return e.err }

// exit is the error that ends a command with the code.
func exit(code int, err error) error {
	if code == exitPass && err == nil {
		return nil
	}
	return &exitError{code, err}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "brunt",
		Short: "Load, faults and verdict on one clock",
		Long: `brunt plays a scenario against a target stack: it offers load, breaks things,
watches how the stack reacts, and ends in one verdict with its evidence.

Exit codes: 0 pass, 1 fail, 2 bad usage or scenario, 3 inconclusive,
4 a fault is not verified undone, 70 a bug in brunt, 130 interrupted and undone.`,
		Example: `  brunt quick http://127.0.0.1:8080/ --rate 200/s     load one URL, without a file
  brunt init http://127.0.0.1:8080/ > scenario.yaml   write a scenario to start from
  brunt plan scenario.yaml                            see what it would do
  brunt run scenario.yaml                             do it, and end in a verdict`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	group(root, "Load, break and judge", runCommand(), quickCommand(), gamedayCommand())
	group(root, "Write a scenario", initCommand(), checkCommand(), planCommand(), explainCommand(), schemaCommand())
	group(root, "Afterwards", reportCommand(), faultsCommand(), undoCommand())
	group(root, "In a cluster", lintClusterCommand(), rbacCommand())
	group(root, "On this machine", doctorCommand(), clockRunCommand(), proxyCommand())
	root.AddCommand(reaperCommand(), workerCommand(), truthCommand(), versionCommand())
	root.AddCommand(helperCommands()...)
	return root
}

// group adds commands to the root under a heading of its help.
func group(root *cobra.Command, heading string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: heading, Title: heading + ":"})
	for _, c := range commands {
		c.GroupID = heading
	}
	root.AddCommand(commands...)
}
