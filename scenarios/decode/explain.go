package decode

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// Explain writes what a kind is and a table of its config's keys, nested ones
// dotted: key, type or unit, default, and what it means. With a key, such as
// tls or steps[].check, the table has that and what is under it.
func Explain(w io.Writer, name, doc string, config any, key string) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s: %s\n", name, doc)
	if t := reflect.TypeOf(config); t != nil {
		var rows bytes.Buffer
		tw := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
		fmt.Fprint(tw, "KEY\tTYPE\tDEFAULT\tMEANING\n")
		count := 0
		for _, r := range rowsOf(t, "", nil) {
			if r.under(key) {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.key, r.typ, r.def, r.meaning)
				count++
			}
		}
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

// HasKey says whether a config has a key, dotted as Explain has it.
func HasKey(config any, key string) bool {
	t := reflect.TypeOf(config)
	return t != nil && slices.ContainsFunc(rowsOf(t, "", nil), func(r row) bool { return r.under(key) })
}

// A row is one key.
type row struct{ key, typ, def, meaning string }

// under is true of the key itself and of those below it; the brackets of a
// list may be left out.
func (r row) under(key string) bool {
	if key == "" {
		return true
	}
	plain := func(s string) string { return strings.ReplaceAll(s, "[]", "") }
	rest, ok := strings.CutPrefix(plain(r.key), plain(key))
	return ok && (rest == "" || rest[0] == '.')
}

// rowsOf are the keys of a type, nested ones behind the one they are in.
func rowsOf(t reflect.Type, prefix string, within []reflect.Type) []row {
	t, prefix = inner(t, prefix)
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(nodeDecoderType) {
		return nil
	}
	for _, seen := range within {
		if seen == t {
			return nil
		}
	}
	within = append(within[:len(within):len(within)], t)
	var rows []row
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
		rows = append(rows, row{prefix + f.name, typeWord(f.typ, f), def, meaning})
		rows = append(rows, rowsOf(f.typ, prefix+f.name+".", within)...)
	}
	return rows
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
