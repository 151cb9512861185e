package reaper

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// maxLine bounds a message; a receipt may have a megabyte.
const maxLine = 4 << 20

// What a request asks for.
const (
	doOpen    = "open"    // Info: the first one
	doRenew   = "renew"   // the run is well
	doGuard   = "guard"   // Receipt: about to be injected
	doRelease = "release" // ID: verified gone
	doYield   = "yield"   // the run stands down; answered when everything was undone
	doClose   = "close"   // the run has ended
)

// A request is one line from the run to its reaper. Each is answered.
type request struct {
	N       int64          `json:"n"`
	Do      string         `json:"do"`
	Info    *Info          `json:"info,omitempty"`
	Dir     string         `json:"dir,omitempty"` // of doOpen: the lease's folder
	Receipt *chaos.Receipt `json:"receipt,omitempty"`
	ID      string         `json:"id,omitempty"`
}

// What the reaper says unasked.
const (
	tellFenced  = "fenced"  // it has taken over
	tellOverdue = "overdue" // it has undone one fault that was past its maximum
)

// A reply is one line from the reaper: the answer to request N or, with N 0,
// something it says unasked.
type reply struct {
	N        int64    `json:"n,omitempty"`
	Tell     string   `json:"tell,omitempty"`
	Text     string   `json:"text,omitempty"`
	Error    string   `json:"error,omitempty"`
	Fenced   bool     `json:"fenced,omitempty"` // refused, because it has taken over
	Outcomes []result `json:"outcomes,omitempty"`
}

// A result is a chaos.Outcome without its receipt.
type result struct {
	ID     string        `json:"id"`
	State  string        `json:"state"`
	Reason string        `json:"reason,omitempty"`
	Took   time.Duration `json:"took_ns"`
}

// lines reads messages until the stream ends or makes no sense.
func lines[M any](from io.Reader, take func(M)) error {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		var m M
		if err := json.Unmarshal(scanner.Bytes(), &m); err != nil {
			return errors.New("a line that is no message")
		}
		take(m)
	}
	return scanner.Err()
}

// writeLine writes one message. A reader that does not read must not hold up
// the writer, so where the stream knows deadlines, it has one.
func writeLine(to io.Writer, m any) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if d, ok := to.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Now().Add(writeBound)) // a stream that knows none goes without
	}
	_, err = to.Write(append(text, '\n'))
	return err
}

// writeBound is how long a message may take to be taken in.
const writeBound = 2 * time.Second
