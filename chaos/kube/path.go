package kube

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// A Path leads to a value within an object: keys of maps, and for an item of a
// list its index, "[0]", or what its name is, "[name=web]".
type Path []string

// ParsePath reads spec.template.spec.containers[name=web].image. A key with dots
// in it is written ["like.this/key"].
func ParsePath(text string) (Path, error) {
	var path Path
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, `"]`)
			if end < 0 {
				return nil, fmt.Errorf(`%q has [" and no "]`, text)
			}
			path, rest = append(path, rest[2:end]), rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, fmt.Errorf("%q has [ and no ]", text)
			}
			item := rest[1:end]
			if _, _, named := strings.Cut(item, "="); !named {
				if _, err := strconv.ParseUint(item, 10, 31); err != nil {
					return nil, fmt.Errorf("[%s] in %q is no item of a list: write [0] or [name=web]", item, text)
				}
			}
			path, rest = append(path, rest[:end+1]), rest[end+1:]
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("%q has an empty key", text)
			}
			path, rest = append(path, rest[:end]), rest[end:]
		}
		if after, ok := strings.CutPrefix(rest, "."); ok {
			if rest = after; rest == "" {
				return nil, fmt.Errorf("%q ends in a dot", text)
			}
		}
	}
	return path, nil
}

func (p Path) String() string {
	var b strings.Builder
	for i, key := range p {
		switch {
		case strings.HasPrefix(key, "["):
			b.WriteString(key)
		case strings.ContainsAny(key, ".["):
			b.WriteString(`["` + key + `"]`)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(key)
		}
	}
	return b.String()
}

// item finds an item of a list; -1 when it has none.
func item(list []any, key string) int {
	inside := strings.Trim(key, "[]")
	if field, want, named := strings.Cut(inside, "="); named {
		for i, v := range list {
			if m, ok := v.(map[string]any); ok && fmt.Sprint(m[field]) == want {
				return i
			}
		}
		return -1
	}
	i, err := strconv.Atoi(inside)
	if err != nil || i >= len(list) {
		return -1
	}
	return i
}

// get is the value at a path; nil where there is none.
func get(object any, path Path) any {
	for _, key := range path {
		switch at := object.(type) {
		case map[string]any:
			object = at[key]
		case []any:
			i := item(at, key)
			if !strings.HasPrefix(key, "[") || i < 0 {
				return nil
			}
			object = at[i]
		default:
			return nil
		}
	}
	return object
}

// set puts a value at a path, and makes the maps on the way; a nil value takes
// it away. Lists keep their length.
func set(object map[string]any, path Path, value any) error {
	var at any = object
	for i, key := range path {
		last := i == len(path)-1
		switch a := at.(type) {
		case map[string]any:
			if last && value == nil {
				delete(a, key)
				return nil
			}
			if last {
				a[key] = runtime.DeepCopyJSONValue(value)
				return nil
			}
			if a[key] == nil {
				if value == nil {
					return nil
				}
				if strings.HasPrefix(path[i+1], "[") {
					return fmt.Errorf("%s has no %s", path[:i+1], path[i+1])
				}
				a[key] = map[string]any{}
			}
			at = a[key]
		case []any:
			n := item(a, key)
			if n < 0 {
				return fmt.Errorf("%s has no %s", path[:i], key)
			}
			if last {
				a[n] = runtime.DeepCopyJSONValue(value)
				return nil
			}
			at = a[n]
		default:
			return fmt.Errorf("%s is neither a map nor a list", path[:i])
		}
	}
	return nil
}

// same says whether two values are one, as JSON knows them.
func same(a, b any) bool {
	return reflect.DeepEqual(a, b)
}

// difference is the merge patch (RFC 7386) from one object to another. Lists are
// taken whole.
func difference(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for key := range maps.Keys(from) {
		if _, ok := to[key]; !ok {
			patch[key] = nil
		}
	}
	for key, want := range to {
		have, ok := from[key]
		if ok && same(have, want) {
			continue
		}
		a, isMap := have.(map[string]any)
		b, toMap := want.(map[string]any)
		if isMap && toMap {
			patch[key] = difference(a, b)
			continue
		}
		patch[key] = want
	}
	return patch
}
