package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whoever holds the receipts writes no more once someone else has raised the
// epoch, until it takes the turn back.
func TestFence(t *testing.T) {
	dir := t.TempDir()
	r := openReceiptsIn(t, dir)
	must(t, r.Made(receipt("a")))
	epoch, err := Fence(dir)
	if epoch != 2 || err != nil {
		t.Fatal(epoch, err)
	}
	fault := fake{}
	if err := InjectOne(t.Context(), r, &fault, receipt("a")); !errors.Is(err, ErrFenced) || fault.calls != nil {
		t.Errorf("inject of a fenced run: %v, %v", err, fault.calls)
	}
	if err := r.Made(receipt("b")); !errors.Is(err, ErrFenced) {
		t.Errorf("write of a fenced run: %v", err)
	}
	must(t, r.Resume(), r.Gone("a"))
	// A new holder takes the turn as it is.
	must(t, r.Close())
	r = openReceiptsIn(t, dir)
	must(t, r.Made(receipt("c")))
	var epochs []int64
	for _, record := range r.Records() {
		epochs = append(epochs, record.Epoch)
	}
	if len(epochs) != 3 || epochs[0] != 1 || epochs[1] != 3 || epochs[2] != 3 {
		t.Errorf("epochs %v, want 1 3 3", epochs)
	}
}

func TestEpoch(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       int64 // -1: an error
		next       int64 // after a fence
	}{
		{"whole", "0000000000000000007\n", 7, 8},
		{"short", "7\n", 7, 8},
		{"empty", "", -1, 1}, // made, and never written: a full disk
		{"garbage", "seven\n", -1, 1},
		{"before the first", "0000000000000000000\n", -1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, EpochFile), []byte(test.text), 0o600))
			if got, err := Epoch(dir); got != test.want && (test.want >= 0 || err == nil) {
				t.Errorf("epoch %d, %v", got, err)
			}
			if got, err := Fence(dir); got != test.next || err != nil {
				t.Errorf("fence: %d, %v", got, err)
			}
			if got, err := Epoch(dir); got != test.next || err != nil {
				t.Errorf("epoch after the fence: %d, %v", got, err)
			}
		})
	}
	if epoch, err := Epoch(t.TempDir()); epoch != 0 || err != nil {
		t.Errorf("none: %d, %v", epoch, err)
	}
	if _, err := Fence(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
