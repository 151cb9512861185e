package vegeta

import (
	"bufio"
	"fmt"
	"io"
	"sync"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/brunt-dev/brunt/generators"
)

// A ResultsWriter streams operations as vegeta results (gob), which vegeta's
// report, plot and encode commands read. It is safe for concurrent use, but
// encoding takes a microsecond or so: do not call it where operations are
// timed.
type ResultsWriter struct {
	mu     sync.Mutex
	out    *bufio.Writer
	encode vegeta.Encoder
	err    error // the first
}

// NewResultsWriter writes to w through a buffer; Flush empties it.
func NewResultsWriter(w io.Writer) *ResultsWriter {
	out := bufio.NewWriterSize(w, 64<<10)
	return &ResultsWriter{out: out, encode: vegeta.NewEncoder(out)}
}

// Write adds one operation of an attack (the load's name), seq counting from
// 0 within it. Canceled operations are left out: they say nothing about the
// target.
//
// Two things differ from what vegeta writes itself, so that its reports tell
// the same as brunt's. Timestamp and latency count from when the operation was
// due. And an operation that failed although its status is below 400 (a
// check, a broken body) has code 0, because vegeta takes its successes from
// the code alone.
//
// After the first error Write does nothing and returns that error.
func (w *ResultsWriter) Write(op generators.Op, method, url, attack string, seq uint64) error {
	if op.Class == generators.Canceled {
		return nil
	}
	r := vegeta.Result{
		Attack:    attack,
		Seq:       seq,
		Code:      uint16(min(max(op.Status, 0), 999)),
		Timestamp: op.Due,
		Latency:   op.Ended.Sub(op.Due),
		BytesOut:  uint64(max(op.BytesOut, 0)),
		BytesIn:   uint64(max(op.BytesIn, 0)),
		Method:    method,
		URL:       url,
	}
	if op.Class != generators.OK {
		r.Error = string(op.Class)
		if op.Err != nil {
			r.Error += ": " + op.Err.Error()
		}
		if r.Code < 400 {
			r.Code = 0
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		if err := w.encode(&r); err != nil {
			w.err = fmt.Errorf("write vegeta result: %w", err)
		}
	}
	return w.err
}

// Flush writes out what is buffered, and returns the first error of all.
func (w *ResultsWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		if err := w.out.Flush(); err != nil {
			w.err = fmt.Errorf("write vegeta results: %w", err)
		}
	}
	return w.err
}
