package scenarios

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostTrace bounds a trace: 10 million arrivals are 80 MB of offsets.
const mostTrace = 10_000_000

// readTrace reads a trace file: one arrival a line, each either
//
//   - an offset from the start of the phase: 1.5s, 250ms, or plain seconds (1.5), or
//   - a timestamp: RFC 3339 (2026-11-27T08:00:00.25Z) or Unix time in seconds
//     (1795766400.25; anything above a billion), counted from the earliest in the file.
//
// Empty lines and lines that begin with # are skipped. Lines need not be in
// order (access logs are not); offsets and timestamps cannot be mixed. Speed 2
// plays the trace in half its time. The offsets returned are in order.
func readTrace(r io.Reader, speed float64) ([]time.Duration, error) {
	var out []time.Duration
	var stamps bool
	in := bufio.NewScanner(r)
	in.Buffer(nil, 64<<10)
	line := 0
	for in.Scan() {
		line++
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		d, stamp, err := parseArrival(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if len(out) > 0 && stamp != stamps {
			return nil, fmt.Errorf("line %d: offsets and timestamps in one trace", line)
		}
		if len(out) == mostTrace {
			return nil, fmt.Errorf("line %d: more than %d arrivals in one trace", line, mostTrace)
		}
		stamps = stamp
		out = append(out, d)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("holds no arrivals")
	}
	slices.Sort(out)
	base := time.Duration(0)
	if stamps {
		base = out[0]
	}
	if last := float64(out[len(out)-1]-base) / speed; last > float64(longestRun) {
		return nil, fmt.Errorf("at speed %v it would last longer than a hundred years", speed)
	}
	for i, d := range out {
		out[i] = time.Duration(float64(d-base) / speed)
	}
	return out, nil
}

func parseArrival(text string) (d time.Duration, stamp bool, err error) {
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		stamp := s > 1e9
		if !(s >= 0) || s > 9e9 {
			return 0, false, fmt.Errorf("%s seconds are out of range", text)
		}
		whole, frac := math.Modf(s)
		return time.Duration(whole)*time.Second + time.Duration(math.Round(frac*1e9)), stamp, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d < 0 {
			return 0, false, fmt.Errorf("%s is before the start", text)
		}
		return d, false, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		if y := t.UTC().Year(); y < 1970 || y > 2200 {
			return 0, false, fmt.Errorf("%s is out of range", text)
		}
		return time.Duration(t.UnixNano()), true, nil
	}
	return 0, false, fmt.Errorf("%s is neither an offset (1.5s) nor a timestamp (2026-11-27T08:00:00Z)", clip(strconv.Quote(text), 60))
}

// clip shortens text from a file for a message.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
