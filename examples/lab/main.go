// Lab is a Kubernetes control plane in one process on loopback, to run brunt's
// scenarios and tests against without a cluster, root or containers.
//
// Real, from their own Go modules: etcd, kube-apiserver (with RBAC),
// kube-controller-manager (so the HPA controller), kube-scheduler. Simulated:
// nodes and pods (kwok), and the work of the pods, see package serve. The
// metrics API reports the work that the simulated pods really did.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	opts, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		os.Exit(1)
	}
}

// options are the lab's flags. A port of 0 is a free one.
type options struct {
	port, front, control int
	nodes                int
	state                string
	kubeconfig           string
	readyFile            string
	lifeline             bool
	pin                  bool
	chaosMesh, noCRDs    bool

	hpaSync, hpaDownscale, hpaInitialReadiness, hpaCPUInitialization time.Duration
	metricsWindow                                                    time.Duration
	apiArgs, objects                                                 []string
}

func parseFlags(args []string) (options, error) {
	o := options{}
	fs := flag.NewFlagSet("lab", flag.ContinueOnError)
	fs.IntVar(&o.port, "port", 0, "port of the API server; 0: a free one, or that of -state")
	fs.IntVar(&o.front, "front", 0, "port of the front door, http://127.0.0.1:PORT/NAMESPACE/SERVICE/…; 0: a free one, or that of -state")
	fs.IntVar(&o.control, "control", 0, "port of the lab's own controls; 0: a free one, or that of -state")
	fs.IntVar(&o.nodes, "nodes", 6, "simulated nodes, dealt out over zones a, b and c")
	fs.StringVar(&o.state, "state", "", "where the state and the logs lie and stay; a lab that is started on them again goes on where it was, at the same ports (default: a new folder for temporary files, removed at exit)")
	fs.StringVar(&o.kubeconfig, "kubeconfig", "", "where to write the kubeconfig; it is removed at exit (default: where the state lies)")
	fs.StringVar(&o.readyFile, "ready-file", "", "write what the lab offers to this file, as JSON, once it is ready")
	fs.BoolVar(&o.lifeline, "lifeline", false, "end when standard input does: what a parent that may be killed wants")
	fs.BoolVar(&o.chaosMesh, "chaos-mesh", false, "run Chaos Mesh's controller too, from chaos-mesh/ beside this program, with a fake of its daemon")
	fs.BoolVar(&o.noCRDs, "no-crds", false, "leave out the definitions of Istio, the Gateway API, Linkerd, KEDA and Karpenter, as in a cluster without them")
	fs.BoolVar(&o.pin, "pin", false, "keep each connection to the front door with one pod, as a proxy that balances connections does; otherwise requests are spread one by one")
	fs.DurationVar(&o.hpaSync, "hpa-sync", 2*time.Second, "how often the HPA controller decides (a cluster's default is 15s)")
	fs.DurationVar(&o.hpaDownscale, "hpa-downscale", 20*time.Second, "the HPA's scale-down stabilisation window (a cluster's default is 5m)")
	fs.DurationVar(&o.hpaInitialReadiness, "hpa-initial-readiness", 2*time.Second, "how long after its start a pod's readiness may flap before its CPU counts (a cluster's default is 30s)")
	fs.DurationVar(&o.hpaCPUInitialization, "hpa-cpu-initialization", 5*time.Second, "how long after its start a pod's CPU is taken as start-up work (a cluster's default is 5m)")
	fs.DurationVar(&o.metricsWindow, "metrics-window", 2*time.Second, "over how long the metrics API takes its rates, and how often it takes them (metrics-server's default is 15s)")
	fs.Func("api-arg", "one more flag for kube-apiserver; may be given again", func(s string) error {
		o.apiArgs = append(o.apiArgs, s)
		return nil
	})
	fs.Func("apply", "put the objects of this YAML file in place, on a new state; may be given again", func(s string) error {
		o.objects = append(o.objects, s)
		return nil
	})
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("takes flags only, got %q", fs.Arg(0))
	case o.nodes < 1 || o.nodes > 200:
		return o, fmt.Errorf("-nodes %d: 1 to 200 are simulated", o.nodes)
	case o.hpaSync <= 0 || o.metricsWindow <= 0:
		return o, errors.New("-hpa-sync and -metrics-window must be above 0")
	}
	return o, nil
}

// run starts the lab, says so, and keeps it until it is told to end or a part
// of it fails.
func run(ctx context.Context, o options, stdin io.Reader, stdout io.Writer) error {
	told := ctx
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// failed is what ended the lab, unless it was told to end.
	failed := func() error {
		if err := context.Cause(ctx); told.Err() == nil && err != context.Canceled {
			return err
		}
		return nil
	}
	if o.lifeline {
		// It cannot be waited for: a read from a pipe that nobody closes
		// lasts as long as the process.
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			end(nil)
		}()
	}
	began := time.Now()
	l := &lab{options: o}
	defer l.close()
	if err := l.start(ctx, end); err != nil {
		if ctx.Err() != nil {
			return failed() // not what the rest stumbled over
		}
		return err
	}
	r := l.ready(time.Since(began))
	if o.readyFile != "" {
		if err := r.write(o.readyFile); err != nil {
			return err
		}
	}
	r.print(stdout)
	<-ctx.Done()
	return failed()
}
