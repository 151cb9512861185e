package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// An Encoder writes batches as the lines that a Writer would put on disk. It
// is for sending them elsewhere. It is not safe for concurrent use.
type Encoder struct {
	encoder *encoder
	lines   bytes.Buffer
	hlog    []byte
}

// NewEncoder returns an encoder.
func NewEncoder() *Encoder { return &Encoder{encoder: newEncoder()} }

// Encode returns a batch's events, an Event a line as in events.jsonl, and its
// histograms, an Interval a line as in latency.hlog without its headers. Both
// are valid until the next Encode.
func (e *Encoder) Encode(b Batch) (events, latency []byte, err error) {
	e.lines.Reset()
	e.hlog = e.hlog[:0]
	for _, event := range b.Events {
		appendEvent(&e.lines, event)
	}
	for _, iv := range b.Intervals {
		if iv.Hist == nil || iv.Hist.TotalCount() == 0 {
			continue
		}
		if e.hlog, err = e.encoder.appendLine(e.hlog, iv); err != nil {
			return nil, nil, fmt.Errorf("encode batch: %w", err)
		}
	}
	return e.lines.Bytes(), e.hlog, nil
}

// A Decoder reads what an Encoder wrote. It is not safe for concurrent use.
type Decoder struct{ decoder decoder }

// Decode returns the batch. Unlike Open it leaves nothing out: a line that it
// cannot read is an error.
func (d *Decoder) Decode(events, latency []byte) (Batch, error) {
	var b Batch
	for line := range bytes.Lines(events) {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return Batch{}, fmt.Errorf("decode event: %w", err)
		}
		if e.Kind == "" {
			return Batch{}, errors.New("decode event: it has no kind")
		}
		b.Events = append(b.Events, e)
	}
	for line := range bytes.Lines(latency) {
		p, ok, err := d.decoder.parse(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return Batch{}, fmt.Errorf("decode histogram: %w", err)
		}
		if !ok {
			continue
		}
		h, err := histogramOf(p.payload)
		if err != nil {
			return Batch{}, fmt.Errorf("decode histogram: %w", err)
		}
		b.Intervals = append(b.Intervals, Interval{
			Load: p.key.load, Step: p.key.step, Outcome: p.key.outcome, Measure: p.key.measure,
			Start: p.start, Length: p.length, Hist: h,
		})
	}
	return b, nil
}

// histogramOf is the histogram of a payload.
func histogramOf(payload []byte) (*hdrhistogram.PackedHistogram, error) {
	h := NewHistogram()
	var failed error
	err := eachCount(payload, func(i int, n int64) {
		// The last buckets reach past the range, which they are counted at the end of.
		failed = errors.Join(failed, h.RecordValues(clamp(lowestAt(i)), n))
	})
	return h, errors.Join(err, failed)
}
