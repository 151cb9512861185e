package journal

import "errors"

// A Sink takes batches in the order they happened: a Writer on disk, a live
// Journal, a face. The engine calls Append from one goroutine at a time and
// waits for it.
type Sink interface {
	Append(Batch) error
}

// Fanout returns a sink that hands every batch to each of sinks in turn. One
// that fails does not keep the batch from the others; their errors are joined.
func Fanout(sinks ...Sink) Sink { return fanout(sinks) }

type fanout []Sink

func (f fanout) Append(b Batch) error {
	var errs []error
	for _, s := range f {
		errs = append(errs, s.Append(b))
	}
	return errors.Join(errs...)
}
