package scenarios

import (
	"fmt"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// readProtect builds the list of what no fault may touch.
func (l *loader) readProtect() {
	for _, p := range l.top.Safety.Protect {
		if p.value == "" && (p.Kind() != decode.Scalar || p.Text() != "") {
			continue // reported, or empty in the environment
		}
		if err := chaos.CheckProtection(p.value); err != nil {
			l.d.ReportText(p.Node, 0, len(p.Text()), decode.CodeBadValue, err.Error(), "write a name or a pattern of names: postgres, postgres*, kube-system/*")
			continue
		}
		l.protect = append(l.protect, p.value)
	}
}

// A productionName is a name in the target that looks like production.
type productionName struct {
	node             decode.Node
	what, name, word string
}

// noteProduction remembers a name of the target ("host", "context",
// "namespace") when it looks like production. Whether that matters is known
// once the faults are.
func (l *loader) noteProduction(n decode.Node, what, name string) {
	if word, found := chaos.ProductionWord(name); found {
		l.production = append(l.production, productionName{n, what, name, word})
	}
}

// checkProduction refuses to break what looks like production unless the
// scenario says that this is meant.
func (l *loader) checkProduction() {
	if l.top.Safety.AllowProduction || len(l.faults) == 0 {
		return
	}
	for _, p := range l.production {
		l.d.Report(p.node, codeSafety, fmt.Sprintf("the %s %s looks like production (%s), and this scenario breaks things", p.what, p.name, p.word),
			"if that is meant, say so: safety: { allow_production: true }")
	}
}
