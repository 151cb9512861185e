package decode

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// scalar decodes one text, number or truth value.
func (d *Decoder) scalar(n Node, v reflect.Value, f field) {
	if n.Kind() != Scalar {
		d.wrongType(n, v.Type(), f)
		return
	}
	text, ok := d.fieldText(n, f)
	if !ok {
		return
	}
	t := v.Type()
	switch {
	case t == durationType:
		x, err := f.duration(text)
		if d.parsed(n, err) && d.within(n, float64(x), text, t, f) {
			v.SetInt(int64(x))
		}
		return
	case t.Kind() == reflect.String:
		if d.inEnum(n, text, f) {
			v.SetString(text)
		}
		return
	}
	if n.Quoted() && text == n.Text() && f.unit == "" {
		d.Report(n, CodeWrongType, "expected "+expected(t, f)+", got the text "+quote(text), "remove the quotes")
		return
	}
	if t.Kind() == reflect.Bool {
		d.truth(n, text, v)
		return
	}
	x, ok := d.number(n, text, t, f)
	if !ok || !d.within(n, x.float(), text, t, f) {
		return
	}
	fits := true
	switch {
	case v.CanInt():
		i, exact := x.int64()
		if fits = exact && !v.OverflowInt(i); fits {
			v.SetInt(i)
		}
	case v.CanUint():
		if x.float() < 0 {
			d.Report(n, CodeBadValue, text+" is too small: the least is 0", "")
			return
		}
		u, exact := x.uint64()
		if fits = exact && !v.OverflowUint(u); fits {
			v.SetUint(u)
		}
	case v.CanFloat():
		if fits = !v.OverflowFloat(x.float()); fits {
			v.SetFloat(x.float())
		}
	}
	if !fits {
		d.Report(n, CodeBadValue, text+" is out of range for "+expected(t, f), "")
	}
}

func (d *Decoder) truth(n Node, text string, v reflect.Value) {
	if b, ok := resolve(text).(bool); ok {
		v.SetBool(b)
		return
	}
	hint := ""
	switch strings.ToLower(text) {
	case "yes", "y", "on", "1", "t":
		hint = "write true"
	case "no", "n", "off", "0", "f":
		hint = "write false"
	}
	d.Report(n, CodeWrongType, "expected true or false, got "+quote(text), hint)
}

// amount is a number before it is known to fit its field.
type amount struct{ v any }

func (a amount) float() float64 {
	switch x := a.v.(type) {
	case int64:
		return float64(x)
	case uint64:
		return float64(x)
	case float64:
		return x
	}
	return 0
}

func (a amount) int64() (int64, bool) {
	switch x := a.v.(type) {
	case int64:
		return x, true
	case float64:
		return int64(x), x == math.Trunc(x) && math.Abs(x) < 1<<53
	}
	return 0, false
}

func (a amount) uint64() (uint64, bool) {
	if x, ok := a.v.(uint64); ok {
		return x, true
	}
	i, ok := a.int64()
	return uint64(max(0, i)), ok && i >= 0
}

// number reads a number in its field's unit.
func (d *Decoder) number(n Node, text string, t reflect.Type, f field) (amount, bool) {
	switch f.unit {
	case "bytes":
		x, err := ParseBytes(text)
		return amount{x}, d.parsed(n, err)
	case "bandwidth":
		x, err := ParseBandwidth(text)
		return amount{x}, d.parsed(n, err)
	case "ratio":
		x, err := ParseRatio(text)
		return amount{x}, d.parsed(n, err)
	case "rate":
		x, err := ParseRate(text)
		return amount{x}, d.parsed(n, err)
	}
	x := amount{resolve(text)}
	switch x.v.(type) {
	case int64, uint64, float64:
		if t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 {
			return x, true
		}
		if x.float() == math.Trunc(x.float()) {
			return x, true
		}
	}
	d.Report(n, CodeWrongType, "expected "+expected(t, f)+", got "+quote(text), numberHint(text))
	return amount{}, false
}

// numberHint is how to write what looks like a number in another notation.
func numberHint(text string) string {
	if resolve(text) != text || anyNumber.MatchString(text) {
		return ""
	}
	bare := strings.ReplaceAll(strings.ReplaceAll(text, "_", ""), ",", "")
	if i, err := strconv.ParseInt(bare, 10, 64); err == nil && i >= 0 {
		return "write " + strconv.FormatInt(i, 10)
	}
	if i, err := strconv.ParseInt(bare, 0, 64); err == nil {
		return "write " + strconv.FormatInt(i, 10)
	}
	if number, unit, ok := split(text); ok && unit != "" && wholeNumber.MatchString(number) {
		return "this takes no unit: write " + number
	}
	return ""
}

// parsed reports the error of a unit's parser.
func (d *Decoder) parsed(n Node, err error) bool {
	if err == nil {
		return true
	}
	d.ReportError(n, err)
	return false
}

// within reports values past the field's bounds.
func (d *Decoder) within(n Node, x float64, text string, t reflect.Type, f field) bool {
	if low, ok := bound(f.min, t, f); ok && x < low {
		d.Report(n, CodeBadValue, fmt.Sprintf("%s is too small: the least is %s", text, f.min), "")
		return false
	}
	if high, ok := bound(f.max, t, f); ok && x > high {
		d.Report(n, CodeBadValue, fmt.Sprintf("%s is too large: the most is %s", text, f.max), "")
		return false
	}
	return true
}

// bound is a min or max tag as a number; not ok when there is none.
func bound(text string, t reflect.Type, f field) (float64, bool) {
	if text == "" {
		return 0, false
	}
	if t == durationType {
		x, err := f.duration(text)
		return float64(x), err == nil
	}
	d := &Decoder{}
	f.min, f.max = "", ""
	x, ok := d.number(Node{}, text, t, f)
	return x.float(), ok
}

func (d *Decoder) inEnum(n Node, text string, f field) bool {
	if len(f.enum) == 0 || slices.Contains(f.enum, text) || f.template && strings.Contains(text, "$") {
		return true
	}
	hint := ""
	if near := Suggest(text, f.enum); near != "" {
		hint = "did you mean " + near + "?"
	}
	d.Report(n, CodeBadValue, quote(text)+" is not one of "+strings.Join(f.enum, ", "), hint)
	return false
}

func (d *Decoder) wrongType(n Node, t reflect.Type, f field) {
	hint := ""
	switch k := t.Kind(); {
	case n.Kind() == Map && k == reflect.Slice:
		hint = "start each item with \"- \""
	case n.Kind() == List && len(n.v.items) == 1 && k != reflect.Map && k != reflect.Struct:
		hint = "remove the brackets or the \"- \""
	case n.Kind() == Scalar && !n.Quoted() && (k == reflect.Map || k == reflect.Struct) && strings.Contains(n.Text(), ":"):
		hint = "a key is followed by \": \", with a space"
	}
	d.Report(n, CodeWrongType, "expected "+expected(t, f)+", got "+n.describe(), hint)
}
