package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// data is what the receipts of this kind hold.
type data struct {
	Mark      string        `json:"mark"` // 16 hex digits, in the names of all that is ours
	Namespace namespace     `json:"namespace"`
	Interface string        `json:"interface,omitempty"` // empty: any
	Peers     []peer        `json:"peers,omitempty"`     // empty: everyone
	Way       string        `json:"way"`
	Harm      harm          `json:"harm"`
	TTL       time.Duration `json:"ttl_ns"`
	Links     []link        `json:"links,omitempty"` // those that get a qdisc of ours
	Netem     bool          `json:"netem,omitempty"` // the kernel delays
	Queue     *queue        `json:"queue,omitempty"` // or a process of ours does
	Before    image         `json:"before"`
}

// A link is an interface that gets a qdisc. Its index is what it is; the name
// may change.
type link struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
}

// A queue is how packets get to the delaying process.
type queue struct {
	Number uint16 `json:"number"`
	Way    string `json:"way"` // whose packets are held; not always that of the other harm
	// Compat says that the kernel has no queue expression for nftables, and
	// the queue target of xtables has to do instead.
	Compat bool   `json:"compat,omitempty"`
	Seed   uint64 `json:"seed"`
}

// image is what was there before.
type image struct {
	Tables []string `json:"brunt_tables,omitempty"` // of other faults
	Qdiscs []qdisc  `json:"qdiscs,omitempty"`       // the roots of Links
}

// tablePrefix and the handles of qdiscs are the marks by which Owned finds
// what is ours.
const (
	tablePrefix = "brunt_"
	rootHandle  = "6272:" // "br"
	leafHandle  = "6273:"
)

var markForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

func (d data) table() string { return tablePrefix + d.Mark }

// class is the HTB class that packets of this fault are put in. Its minor
// number tells apart what different faults have set under the same handle.
func (d data) class() string { return rootHandle + d.minor() }

func (d data) minor() string {
	n, _ := strconv.ParseUint(d.Mark[:4], 16, 16) // the mark has been checked
	return strconv.FormatUint(1+n%0xfffd, 16)     // 0 and ffff mean something else to the kernel
}

// socket is the abstract address at which the delaying process listens, in its
// network namespace.
func (d data) socket() string { return socketPrefix + d.Mark }

const socketPrefix = "@brunt-network-"

func (d data) harms(way string) bool { return d.Way == both || d.Way == way }

// queues says whether packets of that direction are held by a process of ours.
func (d data) queues(way string) bool {
	return d.Queue != nil && (d.Queue.Way == both || d.Queue.Way == way)
}

// touches says whether anything happens to packets of that direction.
func (d data) touches(way string) bool { return len(d.harmRules(way)) > 0 || d.queues(way) }

// shaped says whether the fault needs a qdisc.
func (d data) shaped() bool { return d.harms(outbound) && d.Harm.Rate > 0 || d.Netem }

// read takes the data out of a receipt. What goes into commands is checked
// again: a receipt may have been through anything.
func read(receipt chaos.Receipt) (data, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	if err := d.check(); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	return d, nil
}

func (d data) check() error {
	switch {
	case !markForm.MatchString(d.Mark):
		return errors.New("it has no mark")
	case d.Namespace.Inode == 0:
		return errors.New("it names no network namespace")
	case d.Interface != "" && !validInterface(d.Interface):
		return fmt.Errorf("no interface can be called %q", d.Interface)
	case d.Way != both && d.Way != inbound && d.Way != outbound:
		return fmt.Errorf("%q is no direction", d.Way)
	}
	if q := d.Queue; q != nil && !d.queues(inbound) && !d.queues(outbound) {
		return fmt.Errorf("%q is no direction", q.Way)
	}
	for _, p := range d.Peers {
		if !p.Prefix.IsValid() {
			return errors.New("a peer in it has no address")
		}
	}
	for _, l := range d.Links {
		if !validInterface(l.Name) || l.Index <= 0 {
			return fmt.Errorf("no interface can be called %q", l.Name)
		}
	}
	return nil
}
