package scaling

import (
	"fmt"
	"strings"

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
