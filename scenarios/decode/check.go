package decode

import (
	"fmt"
	"reflect"
	"strings"
)

// Check reports mistakes in the tags of a config type: units on the wrong
// type, defaults and bounds that do not parse, types that cannot be decoded.
// It is for the tests of packages that define kinds.
func Check(config any) error {
	return check(reflect.TypeOf(config), field{}, "", map[reflect.Type]bool{})
}

func check(t reflect.Type, f field, path string, seen map[reflect.Type]bool) error {
	if t == nil {
		return fmt.Errorf("check config: nil")
	}
	if reflect.PointerTo(t).Implements(nodeDecoderType) || t == durationType || t == anyType {
		return checkTexts(t, f, path)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return check(t.Elem(), f, path, seen)
	case reflect.Slice:
		if err := check(t.Elem(), f.element(), path+"[]", seen); err != nil {
			return err
		}
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("check config: %s: keys of a map are strings", path)
		}
		return check(t.Elem(), f.element(), path+".*", seen)
	case reflect.Struct:
		if seen[t] {
			return nil
		}
		seen[t] = true
		defer delete(seen, t)
		known := map[string]bool{}
		for _, in := range fieldsOf(t) {
			if known[in.name] {
				return fmt.Errorf("check config: %s: two fields named %q", path, in.name)
			}
			known[in.name] = true
			if in.doc == "" {
				return fmt.Errorf("check config: %s.%s: no doc", path, in.name)
			}
			if err := check(in.typ, in, path+"."+in.name, seen); err != nil {
				return err
			}
		}
		return nil
	case reflect.String, reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
	default:
		return fmt.Errorf("check config: %s: a %s cannot be decoded", path, t.Kind())
	}
	return checkTexts(t, f, path)
}

// checkTexts decodes the default and the bounds of a field the way a file's
// values are.
func checkTexts(t reflect.Type, f field, path string) error {
	numeric := t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
	if f.unit != "" && t.Kind() != reflect.Slice && (t == durationType || !numeric || !strings.Contains(" bytes bandwidth ratio rate ", " "+f.unit+" ")) {
		return fmt.Errorf("check config: %s: unit %q does not fit", path, f.unit)
	}
	for _, text := range []struct {
		what, text string
		have       bool
	}{{"default", f.def, f.hasDef}, {"min", f.min, f.min != "" && t.Kind() != reflect.Slice}, {"max", f.max, f.max != "" && t.Kind() != reflect.Slice}} {
		if !text.have {
			continue
		}
		d := &Decoder{}
		d.value(d.defaultNode(Node{}, text.text), reflect.New(t).Elem(), f.element())
		if err := d.Problems().Err(); err != nil {
			return fmt.Errorf("check config: %s: %s %q: %s", path, text.what, text.text, d.problems[0].Message)
		}
	}
	return nil
}
