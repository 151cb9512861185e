package kube

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The API server keeps a list of who owns which fields of an object
// (metadata.managedFields): whoever last set them. A fault's change takes fields
// from their owners, and restoring the values does not give them back: the next
// server-side apply of an owner who wants another value would be a conflict with
// brunt, which has nothing there any more. So an edit remembers who owned what it
// changes, and once the values are restored gives it back to them, and takes its
// own entry off the list.

// A FieldOwner is one entry of the list: as it is but for the fields, which are those
// that the edit is about.
type FieldOwner = map[string]any

// managed is the list of an object.
func managed(object *unstructured.Unstructured) []any {
	list, _, _ := unstructured.NestedSlice(object.Object, "metadata", "managedFields")
	return list
}

// fieldOwners are the entries that own what changes touch.
func fieldOwners(object *unstructured.Unstructured, changes []Change) []FieldOwner {
	var all []FieldOwner
	for _, entry := range managed(object) {
		owner, _ := entry.(map[string]any)
		fields, _ := owner["fieldsV1"].(map[string]any)
		kept := map[string]any{}
		for _, change := range changes {
			kept = union(kept, along(fields, change.Path))
		}
		if len(kept) > 0 {
			owner["fieldsV1"] = kept
			all = append(all, owner)
		}
	}
	return all
}

// along is what is owned on the way to a path and below it. How the items of a
// list are called there depends on the list, so from one on it is everything.
func along(fields map[string]any, path Path) map[string]any {
	if len(path) == 0 || strings.HasPrefix(path[0], "[") {
		return fields
	}
	key := "f:" + path[0]
	below, ok := fields[key].(map[string]any)
	if !ok {
		return nil
	}
	if len(below) == 0 || len(path) == 1 {
		return map[string]any{key: below} // the field itself, or it is owned as a whole
	}
	if below = along(below, path[1:]); len(below) == 0 {
		return nil
	}
	return map[string]any{key: below}
}

// giveBack gives what brunt owns of an object to those who owned it before, and
// takes brunt's own entries off the list.
func giveBack(object *unstructured.Unstructured, before []FieldOwner) {
	var kept []any
	taken := map[string]any{}
	list := managed(object)
	if len(list) == 0 {
		return // nobody keeps one
	}
	for _, entry := range list {
		owner, _ := entry.(map[string]any)
		if owner["manager"] != Manager {
			kept = append(kept, owner)
			continue
		}
		fields, _ := owner["fieldsV1"].(map[string]any)
		taken = union(taken, fields)
	}
	for _, owner := range before {
		fields, _ := owner["fieldsV1"].(map[string]any)
		back := intersection(fields, taken)
		if len(back) == 0 || owner["manager"] == Manager {
			continue
		}
		i := slices.IndexFunc(kept, func(entry any) bool { return sameOwner(entry.(map[string]any), owner) })
		if i < 0 { // it owned nothing else
			owner = maps.Clone(owner)
			owner["fieldsV1"] = back
			kept = append(kept, owner)
			continue
		}
		now := kept[i].(map[string]any)
		fields, _ = now["fieldsV1"].(map[string]any)
		now["fieldsV1"] = union(fields, back)
	}
	if len(kept) == 0 {
		kept = []any{map[string]any{}} // how the API server is told that the list is to be empty
	}
	_ = unstructured.SetNestedSlice(object.Object, kept, "metadata", "managedFields") // metadata is a map
}

// sameOwner says whether two entries are of one manager, in one way of writing.
func sameOwner(a, b map[string]any) bool {
	for _, key := range []string{"manager", "operation", "apiVersion", "subresource"} {
		if a[key] != b[key] {
			return false
		}
	}
	return true
}

// union has the fields of both sets; an empty map is a field owned as a whole.
func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range b {
		below, _ := value.(map[string]any)
		own, _ := out[key].(map[string]any)
		out[key] = union(own, below)
	}
	return out
}

// intersection has what is in both sets. Where one owns a field as a whole and
// the other parts of it, those parts are in both.
func intersection(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range a {
		other, ok := b[key].(map[string]any)
		if !ok {
			continue
		}
		below, _ := value.(map[string]any)
		switch {
		case len(below) == 0:
			out[key] = other
		case len(other) == 0:
			out[key] = below
		default:
			if both := intersection(below, other); len(both) > 0 {
				out[key] = both
			}
		}
	}
	return out
}
