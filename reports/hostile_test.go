package reports

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Everything that a scenario or a target can put into a report, put there to
// break out of it.
const hostile = "</script><script>alert(1)</script>\"><img src=//evil.example/x onerror=alert(1)>'`${7*7}`]]>--><style>*{}</style>\x1b[31m\u202e|\n# *b* [l](javascript:x) {{.}}"

func hostileReport(t *testing.T) *Report {
	p := play{name: hostile}
	p.events = func(e journal.Event) []journal.Event {
		switch e.Kind {
		case journal.LoadError:
			e.Text = hostile
		case journal.ProbeReading:
			e.Text = hostile
		case journal.FaultState:
			e.Targets = []string{hostile}
			if e.State == journal.FaultGone && e.Name == "slow_payments" {
				e.State, e.Text = journal.FaultUnverified, hostile
			}
		case journal.RunStarted:
			e.Environment = map[string]string{hostile: hostile}
		case journal.RunEnded:
			e.State, e.Text = "interrupted", hostile
		}
		return []journal.Event{e}
	}
	p.note = hostile
	j := p.live(t)
	j.Damage = []string{hostile}
	j.Plan.Description, j.Plan.File = hostile, hostile
	j.Plan.Target = []string{hostile}
	j.Plan.Warnings = []string{hostile}
	for i := range j.Plan.Faults {
		j.Plan.Faults[i].What = hostile
	}
	j.Plan.Probes[0].What = hostile
	j.Plan.Phases[2].Name = hostile
	j.Plan.Objectives = append(j.Plan.Objectives, journal.ObjectivePlan{Source: hostile, Phase: hostile})
	return Build(j)
}

func TestHostileHTML(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, hostileReport(t)); err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields("a article b body code dd details div dl dt figcaption figure footer h1 h2 h3 head header html i li link main meta ol p path rect script section small span style summary svg table tbody td th thead title tr ul")
	scripts := 0
	for z := html.NewTokenizer(bytes.NewReader(b.Bytes())); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			break
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token := z.Token()
		if !strings.Contains(" "+strings.Join(allowed, " ")+" ", " "+token.Data+" ") {
			t.Errorf("there is an element %s", token)
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "action" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") && a.Val != "data:," {
				t.Errorf("there is an attribute %s=%q", a.Key, a.Val)
			}
			if a.Key == "style" && strings.ContainsAny(a.Val, "(\\<'\"") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("there is a style %q", a.Val)
			}
			if token.Data == "script" && a.Key == "type" && a.Val != "application/json" {
				t.Errorf("there is a script of type %s", a.Val)
			}
		}
		if token.Data == "script" {
			if scripts++; len(token.Attr) == 0 {
				t.Error("there is a script without a type")
			}
		}
	}
	if scripts != 1 {
		t.Errorf("there are %d scripts", scripts)
	}
	if strings.Contains(b.String(), "ZgotmplZ") {
		t.Error("a value was refused by its context")
	}
}

// The page needs nothing from anywhere, and holds report.json byte for byte.
func TestSelfContained(t *testing.T) {
	r := Build(play{}.live(t))
	var page, data bytes.Buffer
	if err := HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&data, r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page.Bytes(), data.Bytes()) {
		t.Error("report.json is not in the page")
	}
	rest := strings.Replace(page.String(), data.String(), "", 1)
	for _, s := range []string{"src=", "@import", "url(", "<script>", "fetch("} {
		if strings.Contains(rest, s) {
			t.Errorf("the page has %q", s)
		}
	}
}

func TestHostileText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, hostileReport(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.String() {
		if c != '\n' && printable(string(c)) != string(c) {
			t.Errorf("the text has a %q", c)
		}
	}
}

func TestHostileJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, hostileReport(t)); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Suites[0]
	if len(s.Cases) != 14 || s.Tests != 14 || s.Skipped != 0 || s.Failures != 1 || s.Errors == 0 {
		t.Errorf("%d cases, %d tests, %d skipped, %d failures, %d errors", len(s.Cases), s.Tests, s.Skipped, s.Failures, s.Errors)
	}
}

func TestHostileMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, hostileReport(t)); err != nil {
		t.Fatal(err)
	}
	columns := 0
	for _, line := range strings.Split(b.String(), "\n") {
		n := strings.Count(line, "|") - strings.Count(line, "\\|")
		switch {
		case strings.HasPrefix(line, "|--"):
			columns = n
		case strings.HasPrefix(line, "| :"), !strings.HasPrefix(line, "|"):
		case columns > 0 && n != columns && !strings.HasPrefix(line, "| |") && !strings.HasPrefix(line, "| Load |") && !strings.HasPrefix(line, "| Fault |"):
			t.Errorf("a cell broke out of its row: %s", line)
		}
		for _, s := range []string{"<script", "<img", "<style", "[l](", " *b*"} {
			if strings.Contains(line, s) {
				t.Errorf("there is %q in: %s", s, line)
			}
		}
	}
}

// A journal that is damaged beyond sense still has a report.
func TestHostileTimes(t *testing.T) {
	p := play{events: func(e journal.Event) []journal.Event {
		if e.Kind == journal.HealthSecond || e.Kind == journal.PhaseStarted {
			return []journal.Event{e}
		}
		early, late := e, e
		early.At, late.At = -1<<62, 1<<62
		return []journal.Event{early, e, late}
	}}
	j := p.live(t)
	for i := range j.Plan.Phases {
		j.Plan.Phases[i].End = 1 << 62
	}
	r := Build(j)
	for format, print := range Formats() {
		var b bytes.Buffer
		if err := print(&b, r); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if b.Len() > 3<<20 {
			t.Errorf("%s has %d bytes", format, b.Len())
		}
	}
}
