package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/vegeta"
)

// resultsFile is where every operation goes, one by one, for vegeta's tools.
const resultsFile = "results.vegeta.bin"

// results writes every operation of a run as vegeta results, when the
// scenario asks for `report: [vegeta]`. The zero value writes nothing.
type results struct {
	file   *os.File
	writer *vegeta.ResultsWriter
	seq    atomic.Uint64
	failed atomic.Pointer[error]
}

func openResults(dir string, formats []string) (*results, error) {
	r := &results{}
	if !slices.Contains(formats, "vegeta") {
		return r, nil
	}
	file, err := os.Create(filepath.Join(dir, resultsFile))
	if err != nil {
		return nil, fmt.Errorf("create vegeta results: %w", err)
	}
	r.file, r.writer = file, vegeta.NewResultsWriter(file)
	return r, nil
}

// observe is what the engine calls; nil when nothing is written.
func (r *results) observe() func(load, step string, op generators.Op) {
	if r.writer == nil {
		return nil
	}
	return func(load, step string, op generators.Op) {
		if err := r.writer.Write(op, "", step, load, r.seq.Add(1)-1); err != nil {
			r.failed.CompareAndSwap(nil, &err)
		}
	}
}

// close says whether every result is on disk.
func (r *results) close() error {
	if r.writer == nil {
		return nil
	}
	var first error
	if err := r.failed.Load(); err != nil {
		first = *err
	}
	return errors.Join(first, r.writer.Flush(), r.file.Close())
}
