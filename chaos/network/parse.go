package network

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A counter is one of the table's.
type counter struct {
	Packets int64 `json:"packets"`
	Bytes   int64 `json:"bytes"`
}

// A tableState is what of a table of ours matters.
type tableState struct {
	counters map[string]counter
	elements int           // that have not expired
	age      time.Duration // since the elements were added, in whole seconds
}

// nftListing is what `nft -j list` prints: a list of objects with one key each.
type nftListing struct {
	Objects []struct {
		Table *struct {
			Family string `json:"family"`
			Name   string `json:"name"`
		} `json:"table"`
		Counter *struct {
			Name string `json:"name"`
			counter
		} `json:"counter"`
		Set *struct {
			Elements []json.RawMessage `json:"elem"`
		} `json:"set"`
	} `json:"nftables"`
}

// parseTables returns the marks of the tables that are ours, from the output of
// `nft -j list tables`.
func parseTables(text []byte) ([]string, error) {
	var l nftListing
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("read nft's list of tables: %w", err)
	}
	var marks []string
	for _, o := range l.Objects {
		if o.Table == nil || o.Table.Family != "inet" {
			continue
		}
		if mark, ok := strings.CutPrefix(o.Table.Name, tablePrefix); ok && markForm.MatchString(mark) {
			marks = append(marks, mark)
		}
	}
	return marks, nil
}

// parseTable reads the output of `nft -j list table`.
func parseTable(text []byte) (tableState, error) {
	var l nftListing
	if err := json.Unmarshal(text, &l); err != nil {
		return tableState{}, fmt.Errorf("read nft's table: %w", err)
	}
	state := tableState{counters: map[string]counter{}}
	for _, o := range l.Objects {
		if o.Counter != nil {
			state.counters[o.Counter.Name] = o.Counter.counter
		}
		if o.Set == nil {
			continue
		}
		for _, raw := range o.Set.Elements {
			state.elements++
			var timed struct {
				Element struct {
					Timeout int64 `json:"timeout"` // seconds
					Expires int64 `json:"expires"` // seconds
				} `json:"elem"`
			}
			// An element without a timeout is a bare value: not one of ours.
			if err := json.Unmarshal(raw, &timed); err != nil {
				continue
			}
			age := time.Duration(timed.Element.Timeout-timed.Element.Expires) * time.Second
			state.age = max(state.age, age)
		}
	}
	return state, nil
}

// A qdisc is one queueing discipline as tc shows it.
type qdisc struct {
	Dev        string `json:"dev"`
	Kind       string `json:"kind"`
	Handle     string `json:"handle"`
	Parent     string `json:"parent,omitempty"`
	Root       bool   `json:"root,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	Packets    int64  `json:"packets,omitempty"`
	Drops      int64  `json:"drops,omitempty"`
	Overlimits int64  `json:"overlimits,omitempty"`
	Queued     int64  `json:"qlen,omitempty"` // packets
}

// parseQdiscs reads the output of `tc -s -j qdisc show`.
func parseQdiscs(text []byte) ([]qdisc, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil // tc prints nothing rather than an empty list
	}
	var all []qdisc
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read tc's list of qdiscs: %w", err)
	}
	return all, nil
}

// standard says whether the kernel put it there by itself: it gives those no
// handle.
func (q qdisc) standard() bool { return q.Handle == "0:" }

// rootOf returns the root qdisc of an interface.
func rootOf(all []qdisc, dev string) (qdisc, bool) {
	for _, q := range all {
		if q.Dev == dev && q.Root {
			return q, true
		}
	}
	return qdisc{}, false
}

// leafOf returns the qdisc of ours, of whichever fault, on an interface. Its
// parent is the fault's class.
func leafOf(all []qdisc, dev string) (qdisc, bool) {
	for _, q := range all {
		if q.Dev == dev && q.Handle == leafHandle && strings.HasPrefix(q.Parent, rootHandle) {
			return q, true
		}
	}
	return qdisc{}, false
}

// ourRoot says whether a root qdisc has our mark.
func ourRoot(q qdisc) bool { return q.Kind == "htb" && q.Handle == rootHandle }

// parseClasses returns the HTB classes under our root, from the output of
// `tc class show`, which has no JSON in releases that are still about.
func parseClasses(text []byte) []string {
	var classes []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) >= 3 && fields[0] == "class" && fields[1] == "htb" && strings.HasPrefix(fields[2], rootHandle) {
			classes = append(classes, fields[2])
		}
	}
	return classes
}
