package decode

import (
	"reflect"
	"strings"
)

// A SchemaProvider gives its own JSON Schema, in draft-07. JSONSchema is
// called on the zero value.
type SchemaProvider interface{ JSONSchema() map[string]any }

// Patterns of JSON Schema for texts with a unit. Any text with a "$" is let
// through: its variables are resolved later.
const (
	durationPattern  = `^(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|\$`
	signedPattern    = `^-?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|\$`
	bytesPattern     = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(B|[KMGT]iB|kB|[KMGT]B)$|\$`
	bandwidthPattern = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(B|[KMGT]iB|kB|[KMGT]B)/s$|\$`
	ratioPattern     = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)%$|\$`
	ratePattern      = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)[kM]?/(s|m|min|h)$|\$`
	variablePattern  = `\$`
)

// Schema is the JSON Schema (draft-07) of a config, given as a value or a
// pointer: type, description, default, enum, required, bounds, unit patterns,
// no unknown keys. It is a fragment to be put together with others; encoding
// it as JSON gives the same bytes every time. A struct that contains itself
// is let through unchecked at the second level, unless its type is a
// SchemaProvider that answers with a Ref.
func Schema(config any) map[string]any {
	return schemaOf(reflect.TypeOf(config), field{}, nil)
}

// Ref points at a definition of the document that the fragment ends up in.
func Ref(name string) map[string]any { return map[string]any{"$ref": "#/definitions/" + name} }

// SchemaDocument makes a fragment a document of its own, with the definitions
// that Ref points at.
func SchemaDocument(root map[string]any, title string, definitions map[string]map[string]any) map[string]any {
	out := map[string]any{"$schema": "http://json-schema.org/draft-07/schema#"}
	if _, isRef := root["$ref"]; isRef { // draft-07 ignores what stands beside $ref
		root = map[string]any{"allOf": []any{root}}
	}
	for k, v := range root {
		out[k] = v
	}
	if title != "" {
		out["title"] = title
	}
	if len(definitions) > 0 {
		defs := make(map[string]any, len(definitions))
		for k, v := range definitions {
			defs[k] = v
		}
		out["definitions"] = defs
	}
	return out
}

// schemaOf is the schema of a type under a field's tags; within are the
// structs it is inside of.
func schemaOf(t reflect.Type, f field, within []reflect.Type) map[string]any {
	if t == nil {
		return map[string]any{}
	}
	if s, ok := provided(t); ok {
		return s
	}
	if t == durationType {
		if f.signed() {
			return text(signedPattern)
		}
		return text(durationPattern)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), f, within)
	case reflect.Struct:
		return structSchema(t, within)
	case reflect.Slice:
		item := schemaOf(t.Elem(), f.element(), within)
		list := map[string]any{"type": "array", "items": item}
		if f.required {
			list["minItems"] = 1
		}
		if lone := loneSchema(t.Elem(), item); lone != nil {
			return anyOf(list, lone)
		}
		return list
	case reflect.Map:
		value := schemaOf(t.Elem(), f.element(), within)
		if nullable(t.Elem()) {
			value = orNull(value)
		}
		object := map[string]any{"type": "object", "additionalProperties": value}
		if f.required {
			object["minProperties"] = 1
		}
		return object
	case reflect.Interface:
		return map[string]any{}
	case reflect.String:
		return textSchema(f)
	case reflect.Bool:
		return anyOf(map[string]any{"type": "boolean"}, text(variablePattern))
	}
	switch f.unit {
	case "bytes":
		return text(bytesPattern)
	case "bandwidth":
		return text(bandwidthPattern)
	case "ratio":
		return text(ratioPattern)
	case "rate":
		return text(ratePattern)
	}
	number := map[string]any{"type": "integer"}
	if t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 {
		number["type"] = "number"
	}
	if low, ok := bound(f.min, t, f); ok {
		number["minimum"] = low
	} else if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		number["minimum"] = 0
	}
	if high, ok := bound(f.max, t, f); ok {
		number["maximum"] = high
	}
	return anyOf(number, text(variablePattern))
}

func text(pattern string) map[string]any {
	return map[string]any{"type": "string", "pattern": pattern}
}

// textSchema is the schema of text: numbers and truth values are fine as text.
func textSchema(f field) map[string]any {
	if len(f.enum) == 0 {
		s := map[string]any{"type": []any{"string", "number", "boolean"}}
		if f.required {
			s["minLength"] = 1
		}
		return s
	}
	var enum []any
	for _, e := range f.enum {
		enum = append(enum, e)
		if typed := resolve(e); typed != e {
			enum = append(enum, typed)
		}
	}
	return anyOf(map[string]any{"enum": enum}, text(variablePattern))
}

// nullable reports whether nothing may be written for a value of a map.
func nullable(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !isSection(t) {
		return t.Kind() == reflect.String && !decodesItself(t)
	}
	for _, f := range fieldsOf(t) {
		if f.required {
			return false
		}
	}
	return true
}

// loneSchema is what may stand for a list of one; nil when nothing may.
func loneSchema(t reflect.Type, item map[string]any) map[string]any {
	switch {
	case decodesItself(t):
		return item
	case !takesScalar(t):
		return nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct || t.Kind() == reflect.Interface {
		// A map or a list there is an item, not a list of one.
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	}
	return item
}

func anyOf(options ...map[string]any) map[string]any {
	var flat []any
	for _, o := range options {
		if in, ok := o["anyOf"].([]any); ok && len(o) == 1 {
			flat = append(flat, in...)
			continue
		}
		flat = append(flat, o)
	}
	return map[string]any{"anyOf": flat}
}

func orNull(s map[string]any) map[string]any {
	if len(s) == 0 {
		return s // anything, and so null too
	}
	return anyOf(s, map[string]any{"type": "null"})
}

func structSchema(t reflect.Type, within []reflect.Type) map[string]any {
	for _, w := range within {
		if w == t {
			return map[string]any{}
		}
	}
	within = append(within[:len(within):len(within)], t)
	fields := fieldsOf(t)
	properties := map[string]any{}
	var required []any
	for _, f := range fields {
		s := schemaOf(f.typ, f, within)
		if f.required {
			required = append(required, f.name)
		} else {
			s = orNull(s) // an empty key is an absent one
		}
		properties[f.name] = described(s, f)
	}
	object := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	if s, ok := scalarField(fields); ok {
		return anyOf(object, schemaOf(s.typ, s, within))
	}
	return object
}

// described adds a field's doc, default and example.
func described(s map[string]any, f field) map[string]any {
	extra := map[string]any{}
	if f.doc != "" {
		extra["description"] = f.doc
	}
	if f.hasDef {
		extra["default"] = defaultValue(f)
	}
	if f.example != "" {
		extra["examples"] = []any{f.example}
	}
	if len(extra) == 0 {
		return s
	}
	if _, isRef := s["$ref"]; isRef {
		s = map[string]any{"allOf": []any{s}}
	}
	out := make(map[string]any, len(s)+len(extra))
	for k, v := range s {
		out[k] = v
	}
	for k, v := range extra {
		out[k] = v
	}
	return out
}

// defaultValue is a default as a file would hold it.
func defaultValue(f field) any {
	d := &Decoder{}
	if f.typ.Kind() == reflect.String {
		return f.def
	}
	return d.generic(d.defaultNode(Node{}, f.def), field{template: true})
}

// provided is the schema that a type gives of itself.
func provided(t reflect.Type) (map[string]any, bool) {
	if t.Kind() == reflect.Interface {
		return nil, false
	}
	if p, ok := reflect.New(t).Interface().(SchemaProvider); ok {
		return p.JSONSchema(), true
	}
	if reflect.PointerTo(t).Implements(nodeDecoderType) {
		return map[string]any{}, true
	}
	return nil, false
}

// title is what a type calls itself in its schema.
func title(t reflect.Type) string {
	if s, ok := provided(t); ok {
		if title, ok := s["title"].(string); ok {
			return title
		}
	}
	return ""
}

// typeWord is a field's type and unit in words, for explain.
func typeWord(t reflect.Type, f field) string {
	switch {
	case reflect.PointerTo(t).Implements(nodeDecoderType):
		return cmpOr(title(t), "value")
	case t == durationType:
		return "duration"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWord(t.Elem(), f)
	case reflect.Slice:
		return "list of " + typeWord(t.Elem(), f.element())
	case reflect.Map:
		return "map of " + typeWord(t.Elem(), f.element())
	case reflect.Struct:
		if s, ok := scalarField(fieldsOf(t)); ok {
			return typeWord(s.typ, s) + " or map"
		}
		return "map"
	case reflect.Interface:
		if f.template {
			return "any value with ${…}"
		}
		return "any value"
	case reflect.String:
		if len(f.enum) > 0 {
			return strings.Join(f.enum, "|")
		}
		if f.template {
			return "text with ${…}"
		}
		return "text"
	case reflect.Bool:
		return "true|false"
	case reflect.Float32, reflect.Float64:
		if f.unit == "" {
			return "number"
		}
	}
	return cmpOr(f.unit, "whole number")
}
