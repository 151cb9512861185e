package decode

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
)

// Explain writes what a kind is and a table of its config's keys, nested ones
// dotted: key, type or unit, default, and what it means.
func Explain(w io.Writer, name, doc string, config any) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s: %s\n", name, doc)
	if t := reflect.TypeOf(config); t != nil {
		var rows bytes.Buffer
		tw := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
		fmt.Fprint(tw, "KEY\tTYPE\tDEFAULT\tMEANING\n")
		count := explain(tw, t, "", nil)
		tw.Flush()
		if count > 0 {
			out.WriteByte('\n')
			for line := range strings.Lines(rows.String()) {
				out.WriteString("  " + strings.TrimRight(line, " \n") + "\n")
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// explain writes the rows of a type's keys and returns how many.
func explain(w io.Writer, t reflect.Type, prefix string, within []reflect.Type) int {
	t, prefix = inner(t, prefix)
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(nodeDecoderType) {
		return 0
	}
	for _, seen := range within {
		if seen == t {
			return 0
		}
	}
	within = append(within[:len(within):len(within)], t)
	count := 0
	for _, f := range fieldsOf(t) {
		def := f.def
		switch {
		case f.required:
			def = "required"
		case !f.hasDef:
			def = "-"
		case def == "":
			def = `""`
		}
		meaning := f.doc
		var notes []string
		if f.min != "" && f.max != "" {
			notes = append(notes, f.min+" to "+f.max)
		} else if f.min != "" {
			notes = append(notes, "at least "+f.min)
		} else if f.max != "" {
			notes = append(notes, "at most "+f.max)
		}
		if f.example != "" {
			notes = append(notes, "for example "+f.example)
		}
		if len(notes) > 0 {
			meaning = strings.TrimSpace(meaning + " (" + strings.Join(notes, "; ") + ")")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", prefix+f.name, typeWord(f.typ, f), def, meaning)
		count += 1 + explain(w, f.typ, prefix+f.name+".", within)
	}
	return count
}

// inner is the type inside pointers, lists and maps, and how its keys are reached.
func inner(t reflect.Type, prefix string) (reflect.Type, string) {
	for {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Slice:
			t = t.Elem()
			prefix = strings.TrimSuffix(prefix, ".") + "[]."
		case reflect.Map:
			t = t.Elem()
			prefix += "NAME."
		default:
			return t, prefix
		}
	}
}
