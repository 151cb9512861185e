package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var (
	wrkLine    = regexp.MustCompile(`(?m)^\s+(50|99)(?:\.000)?%\s+([0-9.]+(?:us|ms|s|m|h))\s*$`)
	fortioLine = regexp.MustCompile(`(?m)^# target (50|99)% ([0-9.e+-]+)\s*$`)
	heyLine    = regexp.MustCompile(`(?m)^\s+(50|99)%+ in ([0-9.]+) secs$`)
	k6Line     = regexp.MustCompile(`http_req_duration\.*: +med=(\S+) +p\(99\)=(\S+)`)
)

// readWrk reads the latency table of wrk and of wrk2.
func readWrk(out []byte) (p50, p99 time.Duration, err error) {
	found := map[string]time.Duration{}
	for _, m := range wrkLine.FindAllSubmatch(out, -1) {
		if _, again := found[string(m[1])]; !again { // wrk2 may print a second, uncorrected one
			if found[string(m[1])], err = time.ParseDuration(string(m[2])); err != nil {
				return 0, 0, fmt.Errorf("read its latency table: %w", err)
			}
		}
	}
	return both(found["50"], found["99"])
}

func readFortio(out []byte) (p50, p99 time.Duration, err error) {
	return inSeconds(fortioLine.FindAllSubmatch(out, -1))
}

func readHey(out []byte) (p50, p99 time.Duration, err error) {
	return inSeconds(heyLine.FindAllSubmatch(out, -1))
}

// inSeconds takes pairs of a percentile and its value.
func inSeconds(pairs [][][]byte) (p50, p99 time.Duration, err error) {
	found := map[string]time.Duration{}
	for _, m := range pairs {
		s, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read its percentiles: %w", err)
		}
		found[string(m[1])] = time.Duration(s * float64(time.Second))
	}
	return both(found["50"], found["99"])
}

func readVegeta(out []byte) (p50, p99 time.Duration, err error) {
	var report struct {
		Latencies struct {
			P50 time.Duration `json:"50th"`
			P99 time.Duration `json:"99th"`
		} `json:"latencies"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, 0, fmt.Errorf("read its report: %w", err)
	}
	return both(report.Latencies.P50, report.Latencies.P99)
}

func readK6(out []byte) (p50, p99 time.Duration, err error) {
	m := k6Line.FindSubmatch(out)
	if m == nil {
		return 0, 0, errNoPercentiles
	}
	p50, err50 := time.ParseDuration(string(m[1]))
	p99, err99 := time.ParseDuration(string(m[2]))
	if err := errors.Join(err50, err99); err != nil {
		return 0, 0, fmt.Errorf("read its summary: %w", err)
	}
	return both(p50, p99)
}

// readBombardier reads microseconds.
func readBombardier(out []byte) (p50, p99 time.Duration, err error) {
	var report struct {
		Result struct {
			Latency struct {
				Percentiles map[string]float64 `json:"percentiles"`
			} `json:"latency"`
		} `json:"result"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, 0, fmt.Errorf("read its report: %w", err)
	}
	p := report.Result.Latency.Percentiles
	return both(time.Duration(p["50"]*float64(time.Microsecond)), time.Duration(p["99"]*float64(time.Microsecond)))
}

var errNoPercentiles = errors.New("its output has no percentiles that bench can read")

func both(p50, p99 time.Duration) (_, _ time.Duration, err error) {
	if p50 == 0 || p99 == 0 {
		err = errNoPercentiles
	}
	return p50, p99, err
}
