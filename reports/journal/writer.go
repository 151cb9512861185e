package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The files of a run directory that make up its journal.
const (
	ScenarioFile = "scenario.yaml" // the scenario as it was given
	PlanFile     = "plan.json"     // the Plan
	EventsFile   = "events.jsonl"  // an Event a line
	LatencyFile  = "latency.hlog"  // an Interval a line, in the HdrHistogram log format
)

// A Writer keeps a journal in a run directory. Every Append is written through
// to the operating system before it returns, so that a crash of brunt loses
// nothing of it; only Close waits for the disk. It is safe for concurrent use.
type Writer struct {
	mu      sync.Mutex
	events  *output
	latency *output

	created time.Time
	dated   bool // the log says when the origin was
	encoder *encoder
	lines   bytes.Buffer // of events
	hlog    []byte
}

// Create makes a run directory, and the directories above it, and starts a
// journal in it: plan.json and scenario.yaml are on disk when it returns.
// Files of other kinds may be there already; a directory that holds a run is
// refused with an error that is fs.ErrExist.
func Create(dir string, plan Plan, scenario []byte) (*Writer, error) {
	w, err := create(dir, plan, scenario)
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	return w, nil
}

func create(dir string, plan Plan, scenario []byte) (_ *Writer, err error) {
	planned, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{PlanFile, EventsFile, LatencyFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil, fmt.Errorf("%s already holds a run: %w", dir, fs.ErrExist)
		}
	}
	// What is half made is of no use to anyone, and would be in the way of the
	// next try.
	var made []*os.File
	defer func() {
		if err == nil {
			return
		}
		for _, f := range made {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	add := func(name string, content []byte) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		made = append(made, f)
		if _, err := f.Write(content); err != nil {
			return err
		}
		return f.Sync()
	}
	// The events come first: they are what two runs would fight over.
	if err := add(EventsFile, nil); err != nil {
		return nil, err
	}
	if err := add(LatencyFile, []byte(hlogHeader)); err != nil {
		return nil, err
	}
	if err := add(PlanFile, append(planned, '\n')); err != nil {
		return nil, err
	}
	if err := overwrite(filepath.Join(dir, ScenarioFile), scenario); err != nil {
		return nil, err
	}
	if err := made[2].Close(); err != nil {
		return nil, err
	}
	syncDir(dir)
	return &Writer{
		events:  &output{name: made[0].Name(), file: made[0]},
		latency: &output{name: made[1].Name(), file: made[1], size: int64(len(hlogHeader))},
		created: time.Now(),
		encoder: newEncoder(),
	}, nil
}

// overwrite writes a whole file. The scenario may be in the run directory
// already: people keep them there.
func overwrite(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes new names in a directory last. Not every file system can, and
// none of what was promised hangs on it.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Append writes a batch, all of it or, when it returns an error, none: what
// was written of it is taken back. (Where even that fails, the torn line is
// ended before the next one, and readers report it.) The error names the file.
// The writer stays usable: the same batch may be tried again, or the next.
func (w *Writer) Append(b Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.encode(b); err != nil {
		return err
	}
	dated := len(w.hlog) > 0
	before := w.latency.size
	if err := w.latency.write(w.hlog); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := w.events.write(w.lines.Bytes()); err != nil {
		w.latency.takeBack(before)
		return fmt.Errorf("write journal: %w", err)
	}
	w.dated = w.dated || dated
	return nil
}

// encode fills the buffers of both files.
func (w *Writer) encode(b Batch) error {
	const keep = 4 << 20 // a buffer that a burst made larger is not kept
	if w.lines.Cap() > keep {
		w.lines = bytes.Buffer{}
	}
	if cap(w.hlog) > keep {
		w.hlog = nil
	}
	w.lines.Reset()
	w.hlog = w.hlog[:0]

	origin := w.created
	known := false
	for _, e := range b.Events {
		if e.Kind == RunStarted && e.Wall != nil && !known {
			origin, known = *e.Wall, true
		}
		appendEvent(&w.lines, e)
	}
	if !w.dated && (known || len(b.Intervals) > 0) {
		w.hlog = append(appendStartTime(w.hlog, origin), hlogLegend...)
	}
	for _, iv := range b.Intervals {
		if iv.Hist == nil || iv.Hist.TotalCount() == 0 {
			continue
		}
		var err error
		if w.hlog, err = w.encoder.appendLine(w.hlog, iv); err != nil {
			return fmt.Errorf("write journal: %s: %w", w.latency.name, err)
		}
	}
	return nil
}

// appendEvent appends the line of one event.
func appendEvent(lines *bytes.Buffer, e Event) {
	e = writable(e)
	enc := json.NewEncoder(lines)
	enc.SetEscapeHTML(false)
	start := lines.Len()
	if err := enc.Encode(e); err != nil {
		// One event that cannot be written must not take the others of its
		// second with it, nor go unnoticed.
		lines.Truncate(start)
		_ = enc.Encode(Event{At: e.At, Kind: Note, Name: e.Name, State: "warning", Text: fmt.Sprintf("could not write an event of kind %s: %v", e.Kind, err)})
	}
}

// Close waits until everything is on disk and closes the files.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.events.close(), w.latency.close()); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}
