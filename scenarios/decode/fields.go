package decode

import (
	"reflect"
	"strings"
	"time"
)

// field is one key of a config struct, as its tags say.
type field struct {
	index    []int // from the struct, through embedded ones
	typ      reflect.Type
	name     string
	doc      string
	def      string
	hasDef   bool
	unit     string
	enum     []string
	required bool
	min, max string
	example  string
	template bool
	scalar   bool
}

var (
	durationType    = reflect.TypeFor[time.Duration]()
	anyType         = reflect.TypeFor[any]()
	nodeDecoderType = reflect.TypeFor[NodeDecoder]()
)

// fieldsOf lists the keys of a struct type in order.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct && name == "" && (options == "" || options == "inline") || options == "inline" && sf.Type.Kind() == reflect.Struct {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				out = append(out, f)
			}
			continue
		}
		if name == "" || name == "-" || !sf.IsExported() {
			continue
		}
		f := field{index: []int{i}, typ: sf.Type, name: name,
			doc: sf.Tag.Get("doc"), unit: sf.Tag.Get("unit"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
			example: sf.Tag.Get("example"), required: sf.Tag.Get("required") == "true",
			template: sf.Tag.Get("template") == "true", scalar: sf.Tag.Get("scalar") == "true"}
		f.def, f.hasDef = sf.Tag.Lookup("default")
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		out = append(out, f)
	}
	return out
}

// element is a field's tags, for what is inside it.
func (f field) element() field {
	f.required, f.hasDef, f.scalar = false, false, false
	return f
}

// signed reports whether the field may be negative: where its least value is.
func (f field) signed() bool { return strings.HasPrefix(f.min, "-") }

// duration reads one, with a sign where the field may be negative.
func (f field) duration(text string) (time.Duration, error) {
	if size, negative := strings.CutPrefix(text, "-"); negative && f.signed() {
		x, err := ParseDuration(size)
		return -x, err
	}
	return ParseDuration(text)
}

// scalarField is the field that a lone scalar goes into.
func scalarField(fields []field) (field, bool) {
	for _, f := range fields {
		if f.scalar {
			return f, true
		}
	}
	return field{}, false
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

// isNodeDecoder reports whether a value, or what it points to, decodes itself.
func isNodeDecoder(v reflect.Value) bool { return decodesItself(v.Type()) }

func decodesItself(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.PointerTo(t).Implements(nodeDecoderType)
}

// expected says what a type wants, in words.
func expected(t reflect.Type, f field) string {
	if reflect.PointerTo(t).Implements(nodeDecoderType) {
		return cmpOr(title(t), "a value")
	}
	if t == durationType {
		return aDuration
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem(), f)
	case reflect.String:
		if len(f.enum) > 0 {
			return "one of " + strings.Join(f.enum, ", ")
		}
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map"
	case reflect.Struct:
		fields := fieldsOf(t)
		keys := ""
		if len(fields) > 0 && len(fields) <= 6 {
			keys = " with " + strings.Join(names(fields), ", ")
		}
		if s, ok := scalarField(fields); ok {
			return expected(s.typ, s) + ", or a map" + keys
		}
		return "a map" + keys
	case reflect.Interface:
		return "a value"
	}
	switch f.unit {
	case "bytes":
		return aSize
	case "bandwidth":
		return aBandwidth
	case "ratio":
		return aRatio
	case "rate":
		return aRate
	}
	if t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 {
		return "a number"
	}
	return "a whole number"
}
