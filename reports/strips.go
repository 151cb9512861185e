package reports

import (
	_ "embed"
)

// A strip is a labelled stretch on the time axis, in percent of it.
type strip struct {
	Name, Class, Title string
	Left, Width        float64
	After              float64 // where a label beside it begins
	Before             bool    // the label has room only on its left
}

// A lane is one row of the strip above the charts.
type lane struct{ Strips []strip }

// strips lays out the phases, and a lane for each fault.
func (d *drawing) strips() (phases []strip, lanes []lane) {
	for _, ph := range d.r.Phases {
		if !ph.Reached {
			continue
		}
		s := strip{Name: ph.Name, Class: "phase", Left: d.axis.percent(ph.Start), Title: ph.Name + ", " + between(ph.Start, ph.End)}
		s.Width = roundTo(d.axis.percent(ph.End)-s.Left, 3)
		if ph.Exclude {
			s.Class, s.Title = "phase excluded", s.Title+", recorded but not judged"
		}
		phases = append(phases, s)
	}
	of := map[string]int{} // by fault: its lane
	for _, f := range d.r.Faults {
		if f.to <= f.from {
			continue
		}
		s := strip{Name: f.Name, Class: "fault", Left: d.axis.percent(f.from), Title: f.Text}
		s.Width = max(roundTo(d.axis.percent(f.to)-s.Left, 3), 0.3)
		if f.OneShot {
			s.Class = "fault shot"
		}
		at, there := of[f.Name]
		if !there {
			at, of[f.Name] = len(lanes), len(lanes)
			lanes = append(lanes, lane{})
		}
		for i := range lanes[at].Strips { // the last of a lane bears its name
			lanes[at].Strips[i].Name = ""
		}
		lanes[at].Strips = append(lanes[at].Strips, s)
	}
	for _, l := range lanes {
		last := &l.Strips[len(l.Strips)-1]
		last.After = roundTo(last.Left+last.Width, 3)
		if last.After > 70 { // no room behind it: before the first
			last.Before, last.After = true, roundTo(100-l.Strips[0].Left, 3)
		}
	}
	return phases, lanes
}
