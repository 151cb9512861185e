package kubernetes

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// A roster is what is known of each object of one source.
type roster[S any] struct {
	known map[string]*S // by UID, or by name where nothing takes a name twice
	met   bool          // the first list has been seen
}

func newRoster[S any]() roster[S] { return roster[S]{known: map[string]*S{}} }

// follow takes in a change. It calls update with each object that is there, old
// when that was so before the watching began, and leave with what is known of
// each that is there no more, whether it was seen to go or is missing from a
// later list.
func (r *roster[S]) follow(c change, key func(*unstructured.Unstructured) string, update func(u *unstructured.Unstructured, old bool), leave func(key string, s *S)) {
	there := map[string]bool{}
	for _, u := range c.objs {
		if c.kind == gone {
			r.drop(key(u), leave)
			continue
		}
		there[key(u)] = true
		update(u, c.kind == listed && !r.met)
	}
	if c.kind != listed {
		return
	}
	for k := range r.known {
		if !there[k] {
			r.drop(k, leave)
		}
	}
	r.met = true
}

func (r *roster[S]) drop(key string, leave func(string, *S)) {
	if s := r.known[key]; s != nil {
		leave(key, s)
		delete(r.known, key)
	}
}

// nameOf is an object's name.
func nameOf(u *unstructured.Unstructured) string { return u.GetName() }

// uidOf is an object's UID.
func uidOf(u *unstructured.Unstructured) string { return string(u.GetUID()) }
