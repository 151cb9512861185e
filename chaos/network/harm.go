package network

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A harm is what is done to packets: plain data, in receipts.
type harm struct {
	Partition bool          `json:"partition,omitempty"`
	Loss      float64       `json:"loss,omitempty"`                  // share of packets
	Rate      int64         `json:"rate_bytes_per_second,omitempty"` // of each direction
	Delay     time.Duration `json:"delay_ns,omitempty"`              // of each direction
	Jitter    time.Duration `json:"jitter_ns,omitempty"`             // either way of Delay
	Duplicate float64       `json:"duplicate,omitempty"`             // share of packets
	Corrupt   float64       `json:"corrupt,omitempty"`               // share of packets
	Reorder   float64       `json:"reorder,omitempty"`               // share of packets
}

func (c Config) harm() harm {
	return harm{
		Partition: c.Partition, Loss: c.Loss, Rate: c.Rate, Delay: c.Delay, Jitter: c.Jitter,
		Duplicate: c.Duplicate, Corrupt: c.Corrupt, Reorder: c.Reorder,
	}
}

// String is the harm for people: "delay 50ms ±5ms, loss 10%".
func (h harm) String() string {
	var parts []string
	if h.Partition {
		parts = append(parts, "partition")
	}
	if h.Delay > 0 {
		text := "delay " + h.Delay.String()
		if h.Jitter > 0 {
			text += " ±" + h.Jitter.String()
		}
		parts = append(parts, text)
	}
	if h.Rate > 0 {
		parts = append(parts, "rate "+byteCount(h.Rate)+"/s")
	}
	for _, share := range []struct {
		name  string
		value float64
	}{{"loss", h.Loss}, {"duplicate", h.Duplicate}, {"corrupt", h.Corrupt}, {"reorder", h.Reorder}} {
		if share.value > 0 {
			parts = append(parts, share.name+" "+percent(share.value))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// resources are the harm's parts on one target, each direction by itself:
// others compose with them.
func (h harm) resources(target, way string) []string {
	var held []string
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"partition", h.Partition}, {"delay", h.Delay > 0}, {"rate", h.Rate > 0}, {"loss", h.Loss > 0},
		{"duplicate", h.Duplicate > 0}, {"corrupt", h.Corrupt > 0}, {"reorder", h.Reorder > 0},
	} {
		switch {
		case part.set && way == both:
			held = append(held, target+"/"+part.name)
		case part.set:
			held = append(held, target+"/"+part.name+"/"+way)
		}
	}
	return held
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 4, 64) + "%"
}

// byteCount is a number of bytes for people: "1.5MiB".
func byteCount(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strconv.FormatFloat(float64(n)/float64(unit.size), 'g', 4, 64) + unit.name
		}
	}
	return fmt.Sprintf("%dB", n)
}
