//go:build e2e && linux

package kills

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const tableFile = "KILLS.md"

const heading = `# The kill matrix

At each transition of a fault (rows), one thing between the fault and its undo
is disturbed (columns). The cell is how long it took from there until the
system itself, asked by its own tools, was as before: tc and nft, cgroups,
/proc, the proxy's list, docker inspect, the API server. "·" is less than 20 ms, or nothing was
broken at that moment, nor afterwards. The lease is %s, renewed every %s,
so the bound is %s where brunt is stopped and much less where it is killed. The
figures are those of a machine of two cores that had a lot of other work.

- **brunt, reaper**: SIGKILL; SIGSTOP past the lease, then SIGCONT.
- **helper**: the proxy, the resolver, or the process that does the fault's work.
- **target**: what the fault is about. Of one that is killed nothing more is expected.
- **disk full**: the run directory and the state folder are, from then on.
- **torn record**: brunt and its reaper are killed, the last record is cut in half; then brunt undo RUNDIR.
- **clock**: brunt's wall clock and its helpers' is put forward or back by an hour.
- **machine gone**: brunt and its reaper are killed, and what they had on disk is not looked at; then brunt undo --all elsewhere, with nothing but a kubeconfig.

After each cell no process, no lease and no receipt is left, and no run passed
in which brunt or its reaper was disturbed while something was broken.

Written by ` + "`go test -tags e2e ./chaos/kills -update`" + `; ` + "`make e2e-kill`" + ` plays it,
and ` + "`make e2e-kube`" + ` what is in a cluster: scale, config, cordon, mesh, istio, linkerd.
`

// table writes what was played into the file, or makes sure that the file has a
// cell for each that was. With -only KIND/ it is about that kind alone.
func table(t *testing.T, of []arenaOf, all []played) {
	t.Helper()
	written, err := os.ReadFile(tableFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(written), "\n## ")[1:] {
		kind, _, _ := strings.Cut(section, "\n")
		sections[kind] = section
	}
	text := fmt.Sprintf(heading, lease, renew, lease+undo)
	for _, a := range slices.Concat(arenas, clusterArenas) {
		if slices.ContainsFunc(of, func(b arenaOf) bool { return b.kind == a.kind }) {
			fresh := section(all, a.kind)
			switch {
			case *only != "" && *only != a.kind+"/": // not played, or not all of it
			case *update:
				sections[a.kind] = fresh
			case shape(sections[a.kind]) != shape(fresh):
				t.Errorf("%s does not have the cells of %s: write it anew with -update", tableFile, a.kind)
			}
		}
		text += "\n## " + strings.TrimSuffix(sections[a.kind], "\n") + "\n"
	}
	if *update {
		if err := os.WriteFile(tableFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// section is one kind's part of the file.
func section(all []played, kind string) string {
	shown := slices.DeleteFunc(slices.Clone(disturbances), func(d disturbance) bool { return !d.applies(kind) })
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n| |", kind)
	for _, d := range shown {
		fmt.Fprintf(&text, " %s |", d)
	}
	text.WriteString("\n|---|" + strings.Repeat("---|", len(shown)) + "\n")
	for _, at := range transitions {
		fmt.Fprintf(&text, "| %s |", at)
		for _, d := range shown {
			i := slices.IndexFunc(all, func(p played) bool { return p.kind == kind && p.at == at && p.do == d })
			fmt.Fprintf(&text, " %s |", all[i].text())
		}
		text.WriteString("\n")
	}
	for _, why := range reasons(all, kind) {
		fmt.Fprintf(&text, "\n%s.\n", why)
	}
	return text.String()
}

// reasons are why a kind lacks cells.
func reasons(all []played, kind string) []string {
	var found []string
	for _, p := range all {
		if why := fmt.Sprintf("No %s: %s", p.do.who, p.why); p.kind == kind && p.why != "" && !slices.Contains(found, why) {
			found = append(found, why)
		}
	}
	return found
}

// text is the cell in the table.
func (p played) text() string {
	switch {
	case p.why != "":
		return "–"
	case p.bad:
		return "**not as before**"
	case p.clean < 20*time.Millisecond:
		return "·"
	}
	return p.clean.Round(time.Millisecond).String()
}

// shape is a table without its figures.
func shape(text string) string {
	var shapes []string
	for line := range strings.Lines(text) {
		if name, cells, ok := strings.Cut(strings.TrimPrefix(line, "|"), "|"); ok && strings.HasPrefix(line, "|") {
			line = name + fmt.Sprint(strings.Count(cells, "|"), strings.Count(cells, "–"))
		}
		shapes = append(shapes, strings.TrimSpace(line))
	}
	return strings.Join(shapes, "\n")
}
