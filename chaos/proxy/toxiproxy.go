package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A peerToxic is a toxic as Toxiproxy's API writes it. Times are in
// milliseconds, but for the slicer's delay, which is in microseconds; rates in
// kilobytes (of 1000 bytes) a second.
type peerToxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     Way              `json:"stream"`
	Toxicity   float64          `json:"toxicity"`
	Attributes map[string]int64 `json:"attributes"`
}

// A peerProxy is a proxy as Toxiproxy's API writes it.
type peerProxy struct {
	Name     string      `json:"name"`
	Listen   string      `json:"listen"`
	Upstream string      `json:"upstream"`
	Enabled  bool        `json:"enabled"`
	Toxics   []peerToxic `json:"toxics"`
}

// peerAttributes are the attributes of each of Toxiproxy's types.
var peerAttributes = map[string][]string{
	"noop":       {},
	"latency":    {"latency", "jitter"},
	"bandwidth":  {"rate"},
	"slow_close": {"delay"},
	"timeout":    {"timeout"},
	"reset_peer": {"timeout"},
	"slicer":     {"average_size", "size_variation", "delay"},
	"limit_data": {"bytes"},
}

// read takes attributes as JSON, over those that are there. Those that the
// type has not are passed over, as Toxiproxy does.
func (p *peerToxic) read(raw map[string]json.RawMessage) error {
	attributes := map[string]int64{}
	for _, name := range peerAttributes[p.Type] {
		attributes[name] = p.Attributes[name]
		if text, ok := raw[name]; ok {
			var n int64
			if err := json.Unmarshal(text, &n); err != nil {
				return fmt.Errorf("attribute %s: %w", name, err)
			}
			attributes[name] = n
		}
	}
	p.Attributes = attributes
	return nil
}

// same says whether they do the same.
func (p peerToxic) same(q peerToxic) bool {
	const rounding = 1e-6 // Toxiproxy keeps toxicities in 32 bits
	d := p.Toxicity - q.Toxicity
	return p.Type == q.Type && p.Stream == q.Stream && d < rounding && -d < rounding && maps.Equal(p.Attributes, q.Attributes)
}

func (p peerToxic) String() string {
	text := fmt.Sprintf("%s %s of toxicity %.4g", p.Stream, p.Type, p.Toxicity)
	for _, name := range slices.Sorted(maps.Keys(p.Attributes)) {
		text += fmt.Sprintf(", %s %d", name, p.Attributes[name])
	}
	return text
}

// toxic is ours that does the same; ok is false for one that does nothing.
func (p peerToxic) toxic() (t Toxic, ok bool) {
	const longest = int64(24 * time.Hour / time.Microsecond)
	in := func(name string, unit time.Duration) time.Duration {
		return time.Duration(min(max(p.Attributes[name], 0), longest)) * unit
	}
	ms := func(name string) time.Duration { return min(in(name, time.Microsecond)*1000, longestExpiry) }
	t = Toxic{Label: p.Name, Way: p.Stream, Share: min(p.Toxicity, 1)}
	switch p.Type {
	case "latency":
		t.Type, t.Delay = latencyType, ms("latency")
		t.Jitter = min(ms("jitter"), t.Delay)
	case "bandwidth":
		t.Type, t.Rate = bandwidthType, min(p.Attributes["rate"], 1<<40)*1000
	case "slow_close":
		t.Type, t.Delay = slowCloseType, ms("delay")
	case "timeout":
		t.Type, t.Delay, t.Closing = timeoutType, ms("timeout"), true
	case "reset_peer":
		t.Type, t.Way, t.Delay = resetType, "", ms("timeout")
	case "slicer":
		t.Type, t.Bytes, t.Delay = slicerType, p.Attributes["average_size"], in("delay", time.Microsecond)
		t.Variation = max(min(p.Attributes["size_variation"], t.Bytes-1), 0)
	case "limit_data":
		t.Type, t.Bytes = limitType, max(p.Attributes["bytes"], 0)
	}
	return t, t.check() == nil
}

// peer is Toxiproxy's counterpart of a toxic; its name is not set. A toxic of
// whole connections becomes one of the stream that a client speaks on.
func (t Toxic) peer() (p peerToxic, ok bool) {
	p = peerToxic{Type: t.Type, Stream: t.Way, Toxicity: t.Share}
	milli := func(d time.Duration) int64 { return (d + time.Millisecond/2).Milliseconds() }
	switch t.Type {
	case latencyType:
		p.Attributes = map[string]int64{"latency": max(milli(t.Delay), 1), "jitter": milli(t.Jitter)}
	case bandwidthType:
		p.Attributes = map[string]int64{"rate": max((t.Rate+500)/1000, 1)}
	case slowCloseType:
		p.Attributes = map[string]int64{"delay": max(milli(t.Delay), 1)}
	case slicerType:
		p.Attributes = map[string]int64{"average_size": t.Bytes, "size_variation": t.Variation, "delay": t.Delay.Microseconds()}
	case limitType:
		p.Type, p.Attributes = "limit_data", map[string]int64{"bytes": t.Bytes}
	case timeoutType:
		p.Attributes = map[string]int64{"timeout": max(milli(t.Delay), 1)}
	case blackholeType:
		p.Type, p.Attributes = "timeout", map[string]int64{"timeout": 0}
	case resetType:
		p.Type, p.Stream, p.Attributes = "reset_peer", upstream, map[string]int64{"timeout": milli(t.Delay)}
	default:
		return peerToxic{}, false
	}
	return p, true
}
