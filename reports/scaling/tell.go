package scaling

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Tell says in a few words what happened to an object, for the lines of a run
// that is going on; false for what is too common to have one: the lives of
// pods, and what a controller says of what it was seen to do.
func Tell(o journal.Object) (text string, notable bool) {
	if o.What == "said" || strings.HasPrefix(o.Object, "pod/") && o.What != "unschedulable" {
		return "", false
	}
	text = o.Object + " "
	switch {
	case o.What == "scaled" && o.From != nil && o.To != nil:
		text += fmt.Sprintf("scaled %s → %s", number(*o.From), number(*o.To))
	default:
		text += strings.ReplaceAll(o.What, "_", " ")
	}
	if o.Text != "" {
		text += ": " + o.Text
	}
	return text, true
}

func orNothing(s string) string {
	if s == "" {
		return "it does not say why"
	}
	return strings.TrimSuffix(s, ".")
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

func percent(v float64) string { return number(v*100) + "%" }

// number writes at most three digits behind the point, and no zeros at the end.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// clock writes a time of the run to a tenth of a second.
func clock(d time.Duration) string {
	s := d.Round(100 * time.Millisecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}
