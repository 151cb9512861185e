package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/brunt-dev/brunt/reports/objective"
)

// Markdown prints a report for the summary page of a CI job.
func Markdown(w io.Writer, r *Report) error {
	var b strings.Builder
	badge := map[Verdict]string{Pass: "✅ pass", Fail: "❌ fail", Inconclusive: "⚠️ inconclusive"}[r.Verdict]
	fmt.Fprintf(&b, "## %s: %s\n\n**%s**\n", badge, escapeMarkdown(r.Name), escapeMarkdown(r.Cause))
	if len(r.Why) > 0 {
		b.WriteByte('\n')
		for _, s := range r.Why {
			fmt.Fprintf(&b, "- %s\n", escapeMarkdown(s))
		}
	}
	if len(r.Objectives) > 0 {
		b.WriteString("\n### Objectives\n\n| | Objective | Observed | Margin | Window | Line |\n|---|---|---:|---|---|---:|\n")
		for _, o := range r.Objectives {
			sign := map[objective.State]string{objective.Pass: "✅ pass", objective.Fail: "❌ fail"}[o.State]
			if sign == "" {
				sign = "⚠️ unknown"
			}
			window := "-"
			if o.To > o.From {
				window = between(o.From, o.To)
			}
			markdownRow(&b, sign, o.Source, orDash(o.Observed), orDash(o.Margin), window, lineOf(o.Line))
		}
	}
	if len(r.Faults) > 0 {
		b.WriteString("\n### Faults\n\n| Fault | What | Injected | Effective | Gone | |\n|---|---|---:|---:|---:|---|\n")
		for _, f := range r.Faults {
			markdownRow(&b, f.Label(), orDash(f.What), at(f.Injected), at(f.Effective), at(f.Gone), f.Truth.words())
		}
	}
	r.markdownAutoscalers(&b)
	if len(r.probes) > 0 {
		b.WriteString("\n### Watched\n\n")
		for _, name := range r.probes {
			story := r.Probes[name].Story
			if story == "" {
				story = name + ": no readings"
			}
			fmt.Fprintf(&b, "- %s\n", escapeMarkdown(sentence(story)))
		}
	}
	if len(r.loads) > 0 {
		b.WriteString("\n### Load\n\n| Load | Offered | Sent | Completed | Dropped | Errors | p50 | p90 | p99 | Max |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
		for _, name := range r.loads {
			l := r.Loads[name]
			row := []string{name, count(l.Offered), count(l.Sent), count(l.Completed), count(l.Dropped), errorRatio(l.ErrorRatio)}
			if l.Response == nil {
				row = append(row, "-", "-", "-", "-")
			} else {
				row = append(row, duration(l.Response.P50), duration(l.Response.P90), duration(l.Response.P99), duration(l.Response.Max))
			}
			markdownRow(&b, row...)
		}
		before := "\n"
		for _, name := range r.loads {
			for _, note := range r.Loads[name].notes() {
				fmt.Fprintf(&b, "%s- %s\n", before, escapeMarkdown(sentence(name+": "+note)))
				before = ""
			}
		}
	}
	if rows := r.workerTable(); rows != nil {
		b.WriteString("\n### Workers\n\n| Worker | Offered | Sent | Lost | Worst lag | CPU | Clock | Where |\n|---|---:|---:|---:|---:|---:|---|---|\n")
		for _, row := range rows[1:] {
			markdownRow(&b, row...)
		}
	}
	fmt.Fprintf(&b, "\n<sub>generator: %s", escapeMarkdown(r.Trust.state()))
	if r.Run.Started != nil {
		fmt.Fprintf(&b, " · started %s", r.Run.Started.Format("2006-01-02 15:04:05 UTC"))
	}
	fmt.Fprintf(&b, " · %s played · seed %d", moment(r.Run.Ended), r.Seed)
	if v := r.Environment["calibration"]; v != "" {
		fmt.Fprintf(&b, " · calibration: %s", escapeMarkdown(v))
	}
	b.WriteString("</sub>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRow(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("| " + escapeMarkdown(c) + " ")
	}
	b.WriteString("|\n")
}

// escapeMarkdown keeps a text a text: no markup of Markdown or HTML in it
// works, and it stays on its line.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, c := range strings.Join(strings.Fields(printable(s)), " ") {
		switch c {
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '\\', '`', '*', '_', '[', ']', '|', '#', '~', '!', '@', '$':
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
