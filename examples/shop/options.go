package shop

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options say where a stack lives and how large it is. Exe and Dir must be
// set; every other zero value means its default.
type Options struct {
	// Exe is the program whose `shop ROLE` command calls Main: brunt itself.
	Exe string
	// Dir is where pid files (pids/NAME.pid) and logs (NAME.log) go. It is
	// made when it does not exist.
	Dir string
	// Stderr gets the last lines of the logs when the stack does not start.
	// Nil: nobody is told.
	Stderr io.Writer

	Min, Max int // replicas; 2 and 6, Max at most 64
	Slots    int // requests a replica works on at once; 2
	Queue    int // requests that may wait for a slot at each replica; 64

	Pace            float64       // multiplies every service time; 1
	Target          float64       // the busy share the autoscaler aims at, above 0 and up to 1; 0.65
	Sync            time.Duration // how often the autoscaler decides; 1 s
	ScaleDownWindow time.Duration // how long fewer replicas must have been enough; 5 s
	StartUp         time.Duration // from the start of a replica to its first answer; 3 s. The first Min start at once
}

// maxReplicas is how many replicas a stack may be asked to have.
const maxReplicas = 64

func (o Options) withDefaults() Options {
	def(&o.Min, 2)
	def(&o.Max, max(6, o.Min))
	def(&o.Slots, 2)
	def(&o.Queue, 64)
	def(&o.Pace, 1)
	def(&o.Target, 0.65)
	def(&o.Sync, time.Second)
	def(&o.ScaleDownWindow, 5*time.Second)
	def(&o.StartUp, 3*time.Second)
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	switch {
	case o.Exe == "":
		return errors.New("no program to run the processes with")
	case o.Dir == "":
		return errors.New("no folder for pid files and logs")
	case o.Min < 1 || o.Max < o.Min || o.Max > maxReplicas:
		return fmt.Errorf("%d to %d replicas: want at least 1 and at most %d", o.Min, o.Max, maxReplicas)
	case o.Slots < 1 || o.Queue < 1:
		return fmt.Errorf("%d slots and a queue of %d: want at least 1 of each", o.Slots, o.Queue)
	case o.Target <= 0 || o.Target > 1:
		return fmt.Errorf("target %v: want a share above 0 and up to 1", o.Target)
	case o.Pace < 0 || o.Sync < 0 || o.ScaleDownWindow < 0 || o.StartUp < 0:
		return errors.New("pace, sync, scale-down window and start-up must not be negative")
	}
	return nil
}

// A layout is all that the processes of one stack need to know. It is the
// first line of each one's standard input.
type layout struct {
	Exe string `json:"exe"`
	Dir string `json:"dir"`

	Keeper      string   `json:"keeper"`       // addresses, host:port
	LB          string   `json:"lb"`           // where load goes
	LBAdmin     string   `json:"lb_admin"`     // where the keeper registers replicas
	Autoscaler  string   `json:"autoscaler"`   // GET /status
	Payments    string   `json:"payments"`     // the dependency itself
	PaymentsVia string   `json:"payments_via"` // where replicas try it first
	Replicas    []string `json:"replicas"`     // of shop-1, shop-2, …

	Min             int           `json:"min"`
	Slots           int           `json:"slots"`
	Queue           int           `json:"queue"`
	Pace            float64       `json:"pace"`
	Target          float64       `json:"target"`
	Sync            time.Duration `json:"sync_ns"`
	ScaleDownWindow time.Duration `json:"scale_down_window_ns"`
	StartUp         time.Duration `json:"start_up_ns"`

	Warm bool `json:"warm"` // this process skips StartUp
}

// newLayout chooses addresses for a stack.
func newLayout(o Options) (layout, error) {
	ports, err := freePorts(6 + o.Max)
	if err != nil {
		return layout{}, err
	}
	address := make([]string, len(ports))
	for i, p := range ports {
		address[i] = fmt.Sprintf("127.0.0.1:%d", p)
	}
	return layout{
		Exe: o.Exe, Dir: o.Dir,
		Keeper: address[0], LB: address[1], LBAdmin: address[2], Autoscaler: address[3],
		Payments: address[4], PaymentsVia: address[5], Replicas: address[6:],
		Min: o.Min, Slots: o.Slots, Queue: o.Queue, Pace: o.Pace, Target: o.Target,
		Sync: o.Sync, ScaleDownWindow: o.ScaleDownWindow, StartUp: o.StartUp,
	}, nil
}
