package cluster

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// Orders are what a worker needs to make the same plan as the controller.
type Orders struct {
	Version  string            `json:"version"` // the controller's brunt
	Index    int               `json:"index"`   // which worker this is, of so many
	Of       int               `json:"of"`
	File     string            `json:"file"` // the scenario's name, for messages
	Scenario []byte            `json:"scenario"`
	Vars     map[string]string `json:"vars,omitempty"`  // that took the place of the scenario's
	Stack    map[string]string `json:"stack,omitempty"` // of the running stack
	Env      map[string]string `json:"env,omitempty"`   // the environment that the scenario draws on: secrets
	// Dir is the folder that the scenario's files are in. It is empty when they
	// have been sent, and are in a folder of the worker's.
	Dir string `json:"dir,omitempty"`
	// Digest is the controller's, of the plan: a worker that comes to another
	// one refuses to play.
	Digest string `json:"digest"`
}

// Digest sums up what decides the arrivals of a plan and what they send: two
// plans that differ in it must not be played as one.
func Digest(plan *scenarios.Plan) (string, error) {
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	if err := encoder.Encode(plan.Info.Duration); err != nil {
		return "", fmt.Errorf("digest plan: %w", err)
	}
	for i, l := range plan.Info.Loads {
		l.Path = "" // a machine's own business
		if err := errors.Join(encoder.Encode(l), encoder.Encode(plan.Loads[i].Seed)); err != nil {
			return "", fmt.Errorf("digest plan: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// An order is a line from the controller; one of its fields is set.
type order struct {
	File   *file   `json:"file,omitempty"`
	Orders *Orders `json:"orders,omitempty"`
	Ping   *ping   `json:"ping,omitempty"`
	Start  *start  `json:"start,omitempty"`
	Stop   *stop   `json:"stop,omitempty"`
	End    bool    `json:"end,omitempty"` // nothing more is wanted
}

// A file is a piece of a file that the scenario reads; pieces come in order.
type file struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// pieceLen is how much of a file goes on one line.
const pieceLen = 1 << 20

// A ping asks for the time.
type ping struct {
	Sent int64 `json:"sent"` // on the controller's monotonic clock, in nanoseconds since its start
}

// start says when to start, on the worker's monotonic clock.
type start struct {
	At int64 `json:"at"`
}

// stop lets no more arrivals fall due; with Hurry what is in flight is cut short.
type stop struct {
	Hurry bool `json:"hurry,omitempty"`
}

// An answer is a line from a worker; one of its fields is set.
type answer struct {
	Ready   *ready  `json:"ready,omitempty"`
	Refused string  `json:"refused,omitempty"` // it cannot play, and why
	Pong    *pong   `json:"pong,omitempty"`
	Second  *second `json:"second,omitempty"`
	Done    bool    `json:"done,omitempty"` // it has played all, or all up to the stop
}

// ready says that the worker has the plan.
type ready struct {
	Version string `json:"version"`
}

// A pong is the time, and the ping it answers.
type pong struct {
	Sent int64 `json:"sent"` // the ping's
	Mono int64 `json:"mono"` // when the ping came, on the worker's monotonic clock
	Wall int64 `json:"wall"` // the same on its wall clock, in nanoseconds since 1970
	Took int64 `json:"took"` // from then until this left
}

// A second is a batch in the forms of a run directory.
type second struct {
	At      time.Duration `json:"at"`
	Events  string        `json:"events"`
	Latency string        `json:"latency,omitempty"`
}

// maxLine bounds a line. A second of a run with very many steps and outcomes
// takes a few megabytes.
const maxLine = 64 << 20

// A lineReader reads lines of JSON.
type lineReader struct{ in *bufio.Reader }

func newLineReader(in io.Reader) *lineReader { return &lineReader{bufio.NewReaderSize(in, 64<<10)} }

// next reads a line into v. A stream that ends within a line has ended.
func (r *lineReader) next(v any) error {
	var long []byte
	for {
		part, err := r.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if long = append(long, part...); len(long) > maxLine {
				return fmt.Errorf("a line of more than %d MiB", maxLine>>20)
			}
			continue
		case err != nil:
			return err
		case long != nil:
			part = append(long, part...)
		}
		if len(bytes.TrimSpace(part)) == 0 {
			continue
		}
		if err := json.Unmarshal(part, v); err != nil {
			return fmt.Errorf("an unexpected line (%.60q): %w", part, err)
		}
		return nil
	}
}

// A lineWriter writes lines of JSON, one at a time. It is safe for concurrent use.
type lineWriter struct {
	turn chan struct{} // holds a token while somebody writes; waiting for it may take as long as a write
	out  io.Writer
}

func newLineWriter(out io.Writer) *lineWriter {
	return &lineWriter{turn: make(chan struct{}, 1), out: out}
}

func (w *lineWriter) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	_, err = w.out.Write(append(line, '\n'))
	return err
}

// encodeSecond is a batch as it is sent.
func encodeSecond(e *journal.Encoder, at time.Duration, b journal.Batch) (*second, error) {
	events, latency, err := e.Encode(b)
	if err != nil {
		return nil, err
	}
	return &second{At: at, Events: string(events), Latency: string(latency)}, nil
}
