package kube

import (
	"encoding/json"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// objectOf has a list of managers; nothing else of it matters here.
func objectOf(t *testing.T, managedFields string) *unstructured.Unstructured {
	t.Helper()
	var list []any
	if err := json.Unmarshal([]byte(managedFields), &list); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"managedFields": list}}}
}

// What was taken goes back to each who had it, whatever else changed hands
// meanwhile; nobody gets more.
func TestGiveBack(t *testing.T) {
	const status = `{"manager":"controller","operation":"Update","subresource":"status","fieldsV1":{"f:status":{"f:replicas":{}}}}`
	for _, test := range []struct {
		name                 string
		path                 []string
		before, during, want string
	}{
		{"one of several fields", []string{"spec.replicas"},
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{},"f:paused":{}}}},` + status + `]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:paused":{}}}},{"manager":"brunt","operation":"Update","fieldsV1":{"f:metadata":{"f:labels":{"f:brunt.dev/fault":{}}},"f:spec":{"f:replicas":{}}}},` + status + `]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{},"f:paused":{}}}},` + status + `]`},
		{"all that it owned", []string{"data.a"},
			`[{"manager":"team","operation":"Apply","time":"2026-01-01T00:00:00Z","fieldsV1":{"f:data":{"f:a":{}}}}]`,
			`[{"manager":"brunt","operation":"Update","fieldsV1":{"f:data":{"f:a":{}}}}]`,
			`[{"manager":"team","operation":"Apply","time":"2026-01-01T00:00:00Z","fieldsV1":{"f:data":{"f:a":{}}}}]`},
		{"two owners", []string{"data.a"},
			`[{"manager":"one","operation":"Apply","fieldsV1":{"f:data":{"f:a":{}}}},{"manager":"two","operation":"Apply","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}]`,
			`[{"manager":"two","operation":"Apply","fieldsV1":{"f:data":{"f:b":{}}}},{"manager":"brunt","operation":"Update","fieldsV1":{"f:data":{"f:a":{}}}}]`,
			`[{"manager":"two","operation":"Apply","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}},{"manager":"one","operation":"Apply","fieldsV1":{"f:data":{"f:a":{}}}}]`},
		{"within an item of a list", []string{"spec.containers[name=web].image"},
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{}}}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:name":{}}}}}},{"manager":"brunt","operation":"Update","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{}}}}}}]`},
		{"a list that is owned as a whole", []string{"spec.http[0].fault", "spec.http[1].fault"},
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:hosts":{},"f:http":{}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:hosts":{}}}},{"manager":"brunt","operation":"Update","fieldsV1":{"f:spec":{"f:http":{}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:spec":{"f:hosts":{},"f:http":{}}}}]`},
		{"somebody has taken it since", []string{"data.a"},
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:data":{"f:b":{}}}},{"manager":"other","operation":"Update","fieldsV1":{"f:data":{"f:a":{}}}},{"manager":"brunt","operation":"Update","fieldsV1":{"f:metadata":{"f:labels":{"f:brunt.dev/fault":{}}}}}]`,
			`[{"manager":"team","operation":"Apply","fieldsV1":{"f:data":{"f:b":{}}}},{"manager":"other","operation":"Update","fieldsV1":{"f:data":{"f:a":{}}}}]`},
		{"nobody's", []string{"spec.unschedulable"}, `[]`, `[{"manager":"brunt","operation":"Update","fieldsV1":{"f:metadata":{"f:labels":{"f:brunt.dev/fault":{}}}}}]`, `[{}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var changes []Change
			for _, text := range test.path {
				path, err := ParsePath(text)
				if err != nil {
					t.Fatal(err)
				}
				changes = append(changes, Change{Path: path})
			}
			before := fieldOwners(objectOf(t, test.before), changes)
			object := objectOf(t, test.during)
			giveBack(object, before)
			got, want := managed(object), managed(objectOf(t, test.want))
			if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}
