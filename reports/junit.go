package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/objective"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string          `xml:"name,attr"`
	Tests     int             `xml:"tests,attr"`
	Failures  int             `xml:"failures,attr"`
	Errors    int             `xml:"errors,attr"`
	Skipped   int             `xml:"skipped,attr"`
	Time      string          `xml:"time,attr"`
	Timestamp string          `xml:"timestamp,attr,omitempty"`
	Props     []junitProperty `xml:"properties>property,omitempty"`
	Cases     []junitCase     `xml:"testcase"`
	Out       string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit prints a report as test results: a case for each objective, for each
// fault (was it what it claimed to be, and is it gone) and for the run itself.
// What is not known is an error, never skipped: a reader that takes "skipped"
// for "fine" must not take it for a pass.
func JUnit(w io.Writer, r *Report) error {
	s := junitSuite{Name: r.Name, Time: seconds(r.Run.Ended), Out: strings.Join(slices.Concat([]string{r.Cause}, r.Why, r.autoscalerLines()), "\n")}
	if r.Run.Started != nil {
		s.Timestamp = r.Run.Started.Format("2006-01-02T15:04:05")
	}
	s.Props = []junitProperty{{"verdict", string(r.Verdict)}, {"seed", strconv.FormatUint(r.Seed, 10)}}
	if v := r.Environment["calibration"]; v != "" {
		s.Props = append(s.Props, junitProperty{"calibration", v})
	}
	for _, o := range r.Objectives {
		s.add(objectiveCase(r, o))
	}
	for _, f := range r.Faults {
		s.add(faultCase(r, f))
	}
	s.add(runCase(r))
	all := junitSuites{Name: "brunt", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Time: s.Time, Suites: []junitSuite{s}}

	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func objectiveCase(r *Report, o Objective) junitCase {
	class := "steady state"
	if o.Phase != "" {
		class = o.Phase
	}
	c := junitCase{Class: r.Name + "." + class, Name: o.Source, File: r.File, Line: o.Line, Time: seconds(o.To - o.From)}
	detail := []string{o.Reason}
	if o.Observed != "" {
		detail = append(detail, fmt.Sprintf("observed %s, limit %s, from %s (%s)", o.Observed, o.Limit, between(o.From, o.To), plural(o.Samples, "sample")))
	}
	detail = append(detail, o.Warnings...)
	text := strings.Join(detail, "\n")
	switch o.State {
	case objective.Pass:
		c.Out = text
	case objective.Fail:
		c.Failure = &junitProblem{Type: "objective", Message: fmt.Sprintf("observed %s, limit %s", o.Observed, o.Limit), Text: text}
	default:
		c.Error = &junitProblem{Type: "unknown", Message: o.Reason, Text: text}
	}
	return c
}

func faultCase(r *Report, f Fault) junitCase {
	c := junitCase{Class: r.Name + ".faults", Name: f.Label() + ": injected, effective and gone", File: r.File, Time: seconds(max(0, min(f.to, r.Run.Ended)-f.from))}
	switch f.Truth {
	case FaultProven:
		c.Out = f.Text
	case FaultNotGone:
		c.Failure = &junitProblem{Type: string(f.Truth), Message: f.Text}
	default:
		c.Error = &junitProblem{Type: string(f.Truth), Message: f.Text}
	}
	return c
}

// runCase is about all that the verdict hangs on besides objectives and faults.
func runCase(r *Report) junitCase {
	c := junitCase{Class: r.Name + ".run", Name: "the run is complete and its measurements count", File: r.File, Time: seconds(r.Run.Ended)}
	var wrong []string
	if r.Run.State != completed {
		wrong = append(wrong, "The run was "+r.Run.State+".")
	}
	if r.Trust.Bottleneck || r.Trust.Unwatched {
		wrong = append(wrong, r.Trust.Problems...)
	}
	wrong = append(wrong, r.Damage...)
	if len(wrong) == 0 && r.Verdict == Inconclusive && len(r.Objectives) == 0 && !r.anySuccess() {
		wrong = append(wrong, "No operation succeeded.")
	}
	if len(wrong) > 0 {
		c.Error = &junitProblem{Type: "inconclusive", Message: wrong[0], Text: strings.Join(wrong, "\n")}
	}
	return c
}

// seconds writes a time as JUnit has it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
