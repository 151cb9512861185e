package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
)

// Marks on everything that a fault has changed or made.
const (
	// Label has the mark of the receipt: the random part of its ID.
	Label = "brunt.dev/fault"
	// Expires is the annotation that says when the fault is to be over at the
	// latest, as RFC 3339. Nobody in the cluster acts on it.
	Expires = "brunt.dev/expires-at"
	// UndoNote is the annotation with what undoes it: a note, as JSON.
	UndoNote = "brunt.dev/undo"
)

// MarkOf is what tells one receipt from others on an object.
func MarkOf(receipt chaos.Receipt) string {
	return receipt.ID[strings.LastIndexByte(receipt.ID, '-')+1:]
}

// A note is what an object says of the fault on it: all of the receipt but the
// other objects.
type note struct {
	ID        string    `json:"id"`
	Fault     string    `json:"fault"`
	Kind      string    `json:"kind"`
	Made      time.Time `json:"made"`
	Namespace string    `json:"namespace"`
	Edit      Edit      `json:"edit"`
}

// marksOf is the mark on an object, by its label or, without that, its note;
// empty when there is none.
func marksOf(object *unstructured.Unstructured) string {
	if mark := object.GetLabels()[Label]; mark != "" {
		return mark
	}
	var n note
	if text := object.GetAnnotations()[UndoNote]; text == "" || json.Unmarshal([]byte(text), &n) != nil {
		return ""
	}
	return MarkOf(chaos.Receipt{ID: n.ID})
}

// mark puts the marks of a receipt on an object.
func mark(object *unstructured.Unstructured, receipt chaos.Receipt, namespace string, e Edit) error {
	e.Body = nil // it is the object
	text, err := json.Marshal(note{receipt.ID, receipt.Fault, receipt.Kind, receipt.Made, namespace, e})
	if err != nil {
		return fmt.Errorf("write down the undo of %s: %w", e, err)
	}
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[Label] = MarkOf(receipt)
	annotations[UndoNote] = string(text)
	if receipt.Most > 0 {
		annotations[Expires] = receipt.Made.Add(receipt.Most).UTC().Format(time.RFC3339)
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	return nil
}

// unmark takes them off again.
func unmark(object *unstructured.Unstructured) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	delete(labels, Label)
	delete(annotations, UndoNote)
	delete(annotations, Expires)
	if len(labels) == 0 {
		labels = nil
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}
