package journal

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"
	"time"
)

// latency.hlog is in the HdrHistogram log format, version 1.3, so that other
// people's tools can read it: one line an interval,
//
//	Tag=load/step/outcome/measure,START,LENGTH,MAX,HISTOGRAM
//
// with start (from the origin, which the StartTime and BaseTime headers place
// in civil time) and length in seconds, the largest value in milliseconds and
// the histogram of nanoseconds in the V2 compressed encoding. The library's
// own log writer is not used: it makes a compressor of about a megabyte for
// every line.

const hlogHeader = "#[Histogram log format version 1.3]\n" +
	"#[Values in nanoseconds, Interval_Max in milliseconds, Tag=load/step/outcome/measure, by the second in which operations fell due]\n"

const hlogLegend = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"

// appendStartTime appends the headers that say when the origin was.
func appendStartTime(dst []byte, origin time.Time) []byte {
	sec := float64(origin.UnixMilli()) / 1000
	dst = fmt.Appendf(dst, "#[StartTime: %.3f (seconds since epoch), %s]\n", sec, origin.UTC().Format(time.RFC3339Nano))
	return fmt.Appendf(dst, "#[BaseTime: %.3f (seconds since epoch)]\n", sec)
}

// An encoder writes interval lines. It is reused from line to line and not
// safe for concurrent use.
type encoder struct {
	payload []byte
	packed  bytes.Buffer
	z       *zlib.Writer
}

func newEncoder() *encoder {
	e := new(encoder)
	e.z = zlib.NewWriter(&e.packed)
	return e
}

// appendLine appends the line of one interval to dst.
func (e *encoder) appendLine(dst []byte, iv Interval) ([]byte, error) {
	const outer = 8 // cookie and length around the compressed part
	e.payload = appendHeader(e.payload[:0], 0)
	e.payload = appendPayload(e.payload, iv.Hist)
	binary.BigEndian.PutUint32(e.payload[4:], uint32(len(e.payload)-headerLen))

	e.packed.Reset()
	e.packed.Write(make([]byte, outer))
	e.z.Reset(&e.packed)
	if _, err := e.z.Write(e.payload); err != nil {
		return dst, fmt.Errorf("compress histogram: %w", err)
	}
	if err := e.z.Close(); err != nil {
		return dst, fmt.Errorf("compress histogram: %w", err)
	}
	packed := e.packed.Bytes()
	binary.BigEndian.PutUint32(packed, cookieCompressed)
	binary.BigEndian.PutUint32(packed[4:], uint32(len(packed)-outer))

	dst = append(dst, "Tag="...)
	dst = append(dst, tag(iv.Load, iv.Step, iv.Outcome, iv.Measure)...)
	dst = append(dst, ',')
	dst = appendSeconds(dst, iv.Start)
	dst = append(dst, ',')
	dst = appendSeconds(dst, iv.Length)
	dst = fmt.Appendf(dst, ",%.3f,", float64(iv.Hist.Max())/1e6)
	dst = base64.StdEncoding.AppendEncode(dst, packed)
	return append(dst, '\n'), nil
}

// tag joins the names of an interval. The scenario language lets none of them
// hold a separator; escaping makes sure of it for names from elsewhere.
func tag(load, step, outcome string, m Measure) string {
	return url.PathEscape(load) + "/" + url.PathEscape(step) + "/" + url.PathEscape(outcome) + "/" + url.PathEscape(string(m))
}

func parseTag(s string) (seriesKey, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 {
		return seriesKey{}, fmt.Errorf("tag %q is not load/step/outcome/measure", s)
	}
	for i, p := range parts {
		name, err := url.PathUnescape(p)
		if err != nil {
			return seriesKey{}, fmt.Errorf("tag %q: %w", s, err)
		}
		parts[i] = name
	}
	return seriesKey{parts[0], parts[1], parts[2], Measure(parts[3])}, nil
}

// appendSeconds appends d in seconds: to the millisecond as others write it,
// to the nanosecond where that would lose something.
func appendSeconds(dst []byte, d time.Duration) []byte {
	d = max(d, 0)
	if d%time.Millisecond == 0 {
		return fmt.Appendf(dst, "%d.%03d", d/time.Second, d%time.Second/time.Millisecond)
	}
	return fmt.Appendf(dst, "%d.%09d", d/time.Second, d%time.Second)
}

// parseSeconds reads a number of seconds exactly, where a float would not.
func parseSeconds(s []byte) (time.Duration, error) {
	whole, frac, _ := bytes.Cut(s, []byte("."))
	if len(whole) == 0 || len(frac) > 9 {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	var n int64
	for i := range len(whole) + 9 {
		c := byte('0')
		if i < len(whole) {
			c = whole[i]
		} else if i-len(whole) < len(frac) {
			c = frac[i-len(whole)]
		}
		if c < '0' || c > '9' || n > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, fmt.Errorf("%q is not a number of seconds", s)
		}
		n = n*10 + int64(c-'0')
	}
	return time.Duration(n), nil
}

// A decoder reads interval lines. It is reused from line to line and not safe
// for concurrent use.
type decoder struct {
	tags   map[string]seriesKey
	packed []byte
	source bytes.Reader
	z      io.ReadCloser
	plain  bytes.Buffer
}

// A parsedLine is an interval as it is on disk. The payload is valid until
// the decoder's next line.
type parsedLine struct {
	key           seriesKey
	start, length time.Duration
	count         int64
	payload       []byte
}

// maxEncoded bounds what a line may inflate to: every count in nine bytes.
const maxEncoded = headerLen + 9*countsLen

// parse reads one line without its newline. ok is false for a line that is
// not an interval: a comment, the legend, or nothing.
func (d *decoder) parse(line []byte) (p parsedLine, ok bool, err error) {
	if len(line) == 0 || line[0] == '#' || line[0] == '"' {
		return p, false, nil
	}
	fields := bytes.Split(line, []byte(","))
	name, tagged := bytes.CutPrefix(fields[0], []byte("Tag="))
	if !tagged || len(fields) != 5 {
		return p, false, errors.New("not an interval with a tag")
	}
	if p.key, err = d.key(name); err != nil {
		return p, false, err
	}
	if p.start, err = parseSeconds(fields[1]); err != nil {
		return p, false, fmt.Errorf("start: %w", err)
	}
	if p.length, err = parseSeconds(fields[2]); err != nil {
		return p, false, fmt.Errorf("length: %w", err)
	}
	if p.start > math.MaxInt64-p.length {
		return p, false, fmt.Errorf("ends after the end of time")
	}
	if p.payload, err = d.inflate(fields[4]); err != nil {
		return p, false, err
	}
	if p.count, err = total(p.payload); err != nil {
		return p, false, err
	}
	return p, true, nil
}

// key parses a tag, of which a run has few.
func (d *decoder) key(name []byte) (seriesKey, error) {
	if k, ok := d.tags[string(name)]; ok {
		return k, nil
	}
	k, err := parseTag(string(name))
	if err != nil {
		return k, err
	}
	if d.tags == nil {
		d.tags = make(map[string]seriesKey)
	}
	d.tags[string(name)] = k
	return k, nil
}

func (d *decoder) inflate(encoded []byte) ([]byte, error) {
	var err error
	if d.packed, err = base64.StdEncoding.AppendDecode(d.packed[:0], encoded); err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	if len(d.packed) < 8 {
		return nil, errors.New("histogram cut short")
	}
	if got := binary.BigEndian.Uint32(d.packed) &^ 0xf0; got != cookieCompressed&^0xf0 {
		return nil, fmt.Errorf("not a compressed V2 histogram (cookie %#x)", got)
	}
	if n := binary.BigEndian.Uint32(d.packed[4:]); uint64(n) != uint64(len(d.packed)-8) {
		return nil, fmt.Errorf("histogram of %d bytes where it says %d", len(d.packed)-8, n)
	}
	d.source.Reset(d.packed[8:])
	if d.z == nil {
		d.z, err = zlib.NewReader(&d.source)
	} else {
		err = d.z.(zlib.Resetter).Reset(&d.source, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	d.plain.Reset()
	if n, err := d.plain.ReadFrom(io.LimitReader(d.z, maxEncoded+1)); err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	} else if n > maxEncoded {
		return nil, fmt.Errorf("histogram of more than %d bytes", maxEncoded)
	}
	return payloadOf(d.plain.Bytes())
}
