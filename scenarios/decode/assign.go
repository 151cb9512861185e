package decode

import (
	"reflect"
	"slices"
	"strings"
)

// value decodes a node that is not Null into v, which must be settable. f
// holds the tags that govern it.
func (d *Decoder) value(n Node, v reflect.Value, f field) {
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		d.value(n, fresh.Elem(), f)
		v.Set(fresh)
		return
	}
	if v.CanAddr() {
		if own, ok := v.Addr().Interface().(NodeDecoder); ok {
			own.DecodeNode(d, n)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Slice:
		d.slice(n, v, f)
	case reflect.Map:
		d.mapping(n, v, f)
	case reflect.Interface:
		if out := d.generic(n, f); out != nil {
			v.Set(reflect.ValueOf(out))
		}
	default:
		d.scalar(n, v, f)
	}
}

// structure decodes a map into a struct, or a lone value into its scalar field.
func (d *Decoder) structure(n Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	before := d.failures()
	if n.Kind() != Map {
		s, ok := scalarField(fields)
		if !ok || n.Kind() == List && s.typ.Kind() != reflect.Slice {
			d.wrongType(n, v.Type(), field{})
			return
		}
		for _, f := range fields {
			if f.name != s.name {
				d.absentField(n, v, f, false)
			}
		}
		d.value(n, v.FieldByIndex(s.index), s)
		d.validate(n, v, before)
		return
	}
	known := names(fields)
	for _, e := range n.Entries() {
		if !slices.Contains(known, e.Key) {
			d.UnknownKey(n, e, known)
		}
	}
	for _, f := range fields {
		child, given := n.Get(f.name)
		if !given || child.Kind() == Null {
			if given && f.typ.Kind() == reflect.Interface && !f.required {
				continue // null is a value of its own there
			}
			d.absentField(n, v, f, true)
			continue
		}
		if f.required && child.empty() && (child.Kind() != Map || f.typ.Kind() == reflect.Map) {
			d.Report(child, CodeMissingKey, f.name+" is empty", "")
			continue
		}
		d.value(child, v.FieldByIndex(f.index), f)
	}
	d.validate(n, v, before)
}

// absentField gives a field that the file does not have its default, or
// reports that it is required.
func (d *Decoder) absentField(n Node, v reflect.Value, f field, checkRequired bool) {
	target := v.FieldByIndex(f.index)
	switch {
	case f.hasDef:
		d.value(d.defaultNode(n, f.def), target, f.element())
	case f.required && checkRequired && d.absent == 0:
		message := "missing key " + quote(f.name)
		if path := n.Path(); path != "" {
			message += " in " + path
		}
		d.Report(n.place(), CodeMissingKey, message, "add "+f.name+": "+sample(f.typ, f))
	case target.Kind() == reflect.Struct && !isNodeDecoder(target):
		// A section that the file does not have still has its defaults, but
		// nothing in it is missing.
		d.absent++
		for _, in := range fieldsOf(target.Type()) {
			d.absentField(n, target, in, false)
		}
		d.absent--
	}
}

// sample is what a field may look like, for hints.
func sample(t reflect.Type, f field) string {
	switch {
	case f.example != "":
		return f.example
	case len(f.enum) > 0:
		return f.enum[0]
	case t == durationType:
		return "30s"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return sample(t.Elem(), f)
	case reflect.Bool:
		return "true"
	case reflect.Slice:
		return "[" + sample(t.Elem(), f.element()) + "]"
	case reflect.Map:
		return "{ NAME: " + sample(t.Elem(), f.element()) + " }"
	case reflect.Struct:
		if decodesItself(t) {
			break
		}
		var keys []string
		for _, in := range fieldsOf(t) {
			if in.required {
				keys = append(keys, in.name+": …")
			}
		}
		return "{ " + cmpOr(strings.Join(keys, ", "), "…") + " }"
	}
	switch f.unit {
	case "bytes":
		return "64KiB"
	case "bandwidth":
		return "1MiB/s"
	case "ratio":
		return "1%"
	case "rate":
		return "500/s"
	}
	return "…"
}

// defaultNode is a default's text as a node at the place of the map it is
// missing from.
func (d *Decoder) defaultNode(n Node, text string) Node {
	at := n.at()
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
		doc, _ := Parse("", []byte(text))
		doc.root.stand(at)
		return Node{doc: n.doc, v: doc.root, path: n.path}
	}
	return Node{doc: n.doc, path: n.path, v: &value{kind: Scalar, text: text, line: at.line, col: at.col, length: at.length}}
}

// validate lets a struct check itself, if nothing is wrong with it so far.
func (d *Decoder) validate(n Node, v reflect.Value, before int) {
	if !v.CanAddr() || d.failures() != before {
		return
	}
	own, ok := v.Addr().Interface().(Validator)
	if !ok {
		return
	}
	own.Validate(func(path, message, hint string) {
		at := n
		if path != "" {
			for _, name := range strings.Split(path, ".") {
				child, ok := at.Get(name)
				if !ok {
					break
				}
				at = child
			}
		}
		d.Report(at.place(), CodeBadValue, message, hint)
	})
}

func (d *Decoder) slice(n Node, v reflect.Value, f field) {
	in := f.element()
	t := v.Type().Elem()
	items := n.Items()
	switch {
	case n.Kind() == List:
	case n.Kind() == Scalar && takesScalar(t), decodesItself(t):
		items = []Node{n}
	default:
		d.wrongType(n, v.Type(), f)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if item.Kind() == Null && t.Kind() != reflect.Interface {
			d.Report(item, CodeWrongType, "expected "+expected(t, in)+", got nothing", "")
			continue
		}
		d.value(item, out.Index(i), in)
	}
	v.Set(out)
}

// isSection reports whether a type is a struct, or points to one, that is
// decoded key by key: nothing written is the same as no keys then.
func isSection(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && !decodesItself(t)
}

// takesScalar reports whether a type can be decoded from a single value.
func takesScalar(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return false
	case reflect.Struct:
		_, ok := scalarField(fieldsOf(t))
		return ok || decodesItself(t)
	}
	return true
}

func (d *Decoder) mapping(n Node, v reflect.Value, f field) {
	if n.Kind() != Map {
		d.wrongType(n, v.Type(), f)
		return
	}
	in := f.element()
	t := v.Type().Elem()
	out := reflect.MakeMap(v.Type())
	for _, e := range n.Entries() {
		item := reflect.New(t).Elem()
		switch {
		case e.Value.Kind() != Null:
			d.value(e.Value, item, in)
		case isSection(t):
			d.value(e.Value.Without(), item, in)
		case t.Kind() != reflect.Interface && t.Kind() != reflect.String:
			d.Report(e.KeyNode, CodeWrongType, e.Key+": expected "+expected(t, in)+", got nothing", "")
			continue
		}
		out.SetMapIndex(reflect.ValueOf(e.Key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

// generic decodes any value without a config: what JSON would make of it.
func (d *Decoder) generic(n Node, f field) any {
	switch n.Kind() {
	case Map:
		out := make(map[string]any, len(n.v.entries))
		for _, e := range n.Entries() {
			out[e.Key] = d.generic(e.Value, f)
		}
		return out
	case List:
		out := make([]any, 0, len(n.v.items))
		for _, item := range n.Items() {
			out = append(out, d.generic(item, f))
		}
		return out
	case Scalar:
		text, ok := d.fieldText(n, f)
		if !ok || n.Quoted() || text == "" {
			return text
		}
		return resolve(text)
	}
	return nil
}

// Value is any value as JSON would have it: map[string]any, []any, string,
// int64, uint64, float64, bool or nil. Static expressions are resolved; with
// template, run-time ones stay in place.
func (d *Decoder) Value(n Node, template bool) any { return d.generic(n, field{template: template}) }

func (d *Decoder) fieldText(n Node, f field) (string, bool) {
	if f.template {
		return d.Template(n)
	}
	return d.Text(n)
}
