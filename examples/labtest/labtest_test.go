package labtest

import (
	"strings"
	"testing"
)

// A test without a lab must say how to get one.
func TestMissingLab(t *testing.T) {
	t.Setenv("BRUNT_LAB", "")
	_, err := start(nil)
	if err == nil || !strings.Contains(err.Error(), "make e2e-kube") {
		t.Errorf("got %v", err)
	}
	t.Setenv("BRUNT_LAB", "/nowhere/lab")
	_, err = start(nil)
	if err == nil || !strings.Contains(err.Error(), "make e2e-kube") {
		t.Errorf("got %v", err)
	}
}

// A lab that ends before it is ready is told with what it said.
func TestLabThatFails(t *testing.T) {
	t.Setenv("BRUNT_LAB", "/bin/false")
	_, err := start(nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}
