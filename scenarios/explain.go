package scenarios

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// A topic is one thing that Explain explains.
type topic struct {
	role, name, doc string
	config          any // nil: not built yet, or nothing to configure
}

// topics are the sections of a scenario and all kinds, in reading order.
func topics(kinds Kinds) []topic {
	out := []topic{
		{"section", "scenario", "The top level of a scenario file.", document{}},
		{"section", "target", "What may be loaded and broken.", target{}},
		{"section", "proxies", "One TCP proxy under target.proxies, which brunt runs for faults of the kind proxy.", ProxySpec{}},
		{"section", "resolvers", "One DNS resolver under target.resolvers, which brunt runs for faults of the kind dns.", ResolverSpec{}},
		{"section", "safety", "Limits that hold whatever the rest of the file says.", safety{}},
		{"section", "data", "One feed of data.", feedOptions{}},
		{"section", "load", "What every load has beside its kind.", loadOptions{}},
		{"section", "phase", "One span of the run.", phase{}},
		{"section", "rate", "What a load offers during a phase, in its long form.", rateOptions{}},
		{"section", "trace", "Arrivals from a file.", traceOptions{}},
		{"section", "fault", "What every fault has beside its kind.", faultOptions{}},
		{"section", "expect", "An expectation in its long form.", expectOptions{}},
		{"section", "autoscaler", "How an autoscaler must react: an expectation, of which each limit is judged by itself.", autoscalerOptions{}},
	}
	for _, k := range kinds.Generators {
		out = append(out, topic{"generator", k.Name, k.Doc, k.Config()})
	}
	for _, k := range kinds.Faults {
		out = append(out, topic{"fault", k.Name, k.Doc, k.Config()})
	}
	for _, k := range kinds.Probes {
		out = append(out, topic{"probe", k.Name, k.Doc, k.Config()})
	}
	for _, k := range kinds.Stacks {
		doc := k.Doc
		if len(k.Vars) > 0 {
			doc += " It offers ${stack." + strings.Join(k.Vars, "}, ${stack.") + "}"
		}
		if len(k.Processes) > 0 {
			doc += " and has the processes " + strings.Join(k.Processes, ", ")
		}
		out = append(out, topic{"stack", k.Name, strings.TrimSuffix(doc, ".") + ".", nil})
	}
	for _, k := range kinds.Planned {
		doc := k.Doc
		if doc != "" {
			doc += " "
		}
		out = append(out, topic{k.Role, k.Name, doc + "Not built yet.", nil})
	}
	return out
}

// Explain writes what a kind or a section of a scenario is and which keys it
// has. A name may stand for several things (http generates load and watches);
// all are explained. NAME.KEY is that key alone, and those under it. A key of
// the file's top level is explained by its row there, and by the section of
// which it holds several. An empty name lists what there is to explain. A name
// that nothing has is an error with a suggestion.
func Explain(w io.Writer, name string, kinds Kinds) error {
	all := topics(kinds)
	if name == "" {
		return listTopics(w, all)
	}
	asked := name
	name, key, _ := strings.Cut(name, ".")
	var out bytes.Buffer
	tell := func(t topic, key string) error {
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		return decode.Explain(&out, t.role+" "+t.name, t.doc, t.config, key)
	}
	called := func(name string) []topic {
		return slices.DeleteFunc(slices.Clone(all), func(t topic) bool { return t.name != name && t.role+" "+t.name != name })
	}
	found := called(name)
	if file := all[0]; len(found) == 0 && decode.HasKey(file.config, name) {
		if key == "" {
			if err := tell(file, name); err != nil {
				return fmt.Errorf("explain %s: %w", asked, err)
			}
		}
		found = called("section " + strings.TrimSuffix(name, "s"))
	}
	for _, t := range found {
		if key != "" && !decode.HasKey(t.config, key) {
			continue
		}
		if err := tell(t, key); err != nil {
			return fmt.Errorf("explain %s: %w", asked, err)
		}
	}
	if out.Len() == 0 {
		if len(found) > 0 {
			return fmt.Errorf("%s has no key %s: brunt explain %s lists them", name, key, name)
		}
		return unknownTopic(asked, all)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("explain %s: %w", asked, err)
	}
	return nil
}

// unknownTopic says what may have been meant: a name like it, or what has a key
// of that name.
func unknownTopic(name string, all []topic) error {
	var names, with []string
	for _, t := range all {
		names = append(names, t.name)
		if path := t.name + "." + name; decode.HasKey(t.config, name) && !slices.Contains(with, path) {
			with = append(with, path)
		}
	}
	const several = 4
	switch near := decode.Suggest(name, names); {
	case near != "":
		return fmt.Errorf("there is nothing called %q to explain: did you mean %s?", name, near)
	case len(with) > 0 && len(with) <= several:
		return fmt.Errorf("there is nothing called %q to explain: did you mean %s?", name, strings.Join(with, ", or "))
	}
	return fmt.Errorf("there is nothing called %q to explain: brunt explain lists what there is", name)
}

// headings says of each role where in a scenario its names stand.
var headings = map[string]string{
	"section":   "Sections",
	"generator": "Generators, under loads:",
	"fault":     "Faults, under a phase's faults:",
	"probe":     "Probes, under watch:",
	"stack":     "Stacks, as target.stack:",
}

func listTopics(w io.Writer, all []topic) error {
	var b strings.Builder
	role, width := "", 0
	for _, t := range all {
		width = max(width, len(t.name))
	}
	for _, t := range all {
		if strings.HasSuffix(t.doc, "Not built yet.") {
			continue
		}
		if t.role != role {
			if role != "" {
				b.WriteByte('\n')
			}
			role = t.role
			b.WriteString(headings[role] + "\n")
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", width, t.name, t.doc)
	}
	planned := map[string][]string{}
	var roles []string
	for _, t := range all {
		if strings.HasSuffix(t.doc, "Not built yet.") {
			if planned[t.role] == nil {
				roles = append(roles, t.role)
			}
			planned[t.role] = append(planned[t.role], t.name)
		}
	}
	if len(roles) > 0 {
		b.WriteString("\nNot built yet\n")
		for _, r := range roles {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, r, strings.Join(planned[r], ", "))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("list what there is to explain: %w", err)
	}
	return nil
}
