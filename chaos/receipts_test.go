package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func openReceiptsIn(t *testing.T, dir string) *Receipts {
	t.Helper()
	r, err := OpenReceipts(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func receipt(id string) Receipt {
	return Receipt{ID: id, Fault: "fault of " + id, Kind: "test", Made: time.Unix(1, 0).UTC(), Data: json.RawMessage(`{"n":1}`)}
}

func ids(receipts []Receipt) string {
	var ids []string
	for _, r := range receipts {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

// must ends the test on the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestReceiptsPending(t *testing.T) {
	dir := t.TempDir()
	r := openReceiptsIn(t, dir)
	shot := receipt("killed")
	shot.OneShot = true
	must(t,
		r.Made(receipt("made")), // a crash may have come before injecting was written
		r.Made(receipt("injecting")), r.Injecting("injecting"),
		r.Made(receipt("injected")), r.Injecting("injected"), r.Injected("injected"),
		r.Made(receipt("undone")), r.Undone("undone"), // not proven gone
		r.Made(receipt("conflict")), r.Conflict("conflict", "someone else"),
		r.Made(receipt("gone")), r.Injected("gone"), r.Undone("gone"), r.Gone("gone"),
		r.Made(shot), r.Injected("killed"),
	)
	const want = "made injecting injected undone conflict"
	if got := ids(r.Pending()); got != want {
		t.Errorf("pending %q, want %q", got, want)
	}
	written := r.Records()
	must(t, r.Close(), r.Close())
	if err := r.Gone("made"); err == nil {
		t.Error("write after close: no error")
	}

	again := openReceiptsIn(t, dir)
	if got := ids(again.Pending()); got != want {
		t.Errorf("pending after reopening %q, want %q", got, want)
	}
	if got, want := mustJSON(t, again.Records()), mustJSON(t, written); got != want {
		t.Errorf("records after reopening\n%s, want\n%s", got, want)
	}
	must(t, again.Gone("made"))
	records := again.Records()
	if last := records[len(records)-1]; last.Seq != len(records) || last.Stage != StageGone {
		t.Errorf("last record %+v of %d", last, len(records))
	}
	if damage := again.Damage(); damage != nil {
		t.Errorf("damage: %v", damage)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

func TestReceiptsLock(t *testing.T) {
	dir := t.TempDir()
	first := openReceiptsIn(t, dir)
	if _, err := OpenReceipts(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	// Readers need no lock.
	must(t, first.Made(receipt("a")))
	if records, damage, err := ReadReceipts(dir); len(records) != 1 || damage != nil || err != nil {
		t.Errorf("read: %v, %v, %v", records, damage, err)
	}
	must(t, first.Close())
	openReceiptsIn(t, dir)
	info, err := os.Stat(filepath.Join(dir, ReceiptsFile))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: receipts hold keys", info.Mode())
	}
}

func TestReceiptsOpenFails(t *testing.T) {
	if _, err := OpenReceipts(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, ReceiptsFile), 0o755))
	if _, err := OpenReceipts(dir); err == nil {
		t.Error("a folder in its place: no error")
	}
	if records, _, err := ReadReceipts(t.TempDir()); records != nil || err != nil {
		t.Errorf("read without receipts: %v, %v", records, err)
	}
	if err := openReceiptsIn(t, t.TempDir()).Made(Receipt{}); err == nil {
		t.Error("receipt without ID: no error")
	}
}

// lines of a file with the records of two faults: a, gone, and b, injected.
func someLines(t *testing.T) [][]byte {
	t.Helper()
	dir := t.TempDir()
	r := openReceiptsIn(t, dir)
	must(t, r.Made(receipt("a")), r.Injected("a"), r.Gone("a"), r.Made(receipt("b")), r.Injecting("b"), r.Injected("b"), r.Close())
	text, err := os.ReadFile(filepath.Join(dir, ReceiptsFile))
	must(t, err)
	return bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

func TestReceiptsDamage(t *testing.T) {
	flip := func(line []byte) []byte {
		line = bytes.Clone(line)
		line[len(line)/2] ^= 1
		return line
	}
	lines := someLines(t)
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	for _, test := range []struct {
		name    string
		change  func([][]byte) [][]byte
		pending string
		damage  string // part of it; empty: none
	}{
		{"whole", func(l [][]byte) [][]byte { return l }, "b", ""},
		// A crash in mid-write leaves a line without its end: it was never
		// synced, so what it announced never began.
		{"torn last record", func(l [][]byte) [][]byte { l[5] = l[5][:20]; return l }, "b", ""},
		{"torn receipt", func(l [][]byte) [][]byte { l[3] = l[3][:len(l[3])-1]; return l[:4] }, "", ""},
		// Anything else was once on disk and is damage.
		{"flipped bit", func(l [][]byte) [][]byte { l[2] = flip(l[2]); return l }, "a b", "line 3"},
		{"flipped bit in a receipt", func(l [][]byte) [][]byte { l[3] = flip(l[3]); return l }, "", "the receipt of b is missing"},
		{"lost receipt", func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }, "", "the receipt of b is missing"},
		{"garbage line", func(l [][]byte) [][]byte { return slices.Insert(l, 1, []byte("\x00\x00\n")) }, "b", "line 2: not a record"},
		{"empty", func([][]byte) [][]byte { return nil }, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, ReceiptsFile)
			must(t, os.WriteFile(path, bytes.Join(test.change(slices.Clone(lines)), nil), 0o600))
			r := openReceiptsIn(t, dir)
			if got := ids(r.Pending()); got != test.pending {
				t.Errorf("pending %q, want %q", got, test.pending)
			}
			damage := strings.Join(r.Damage(), "; ")
			if (damage == "") != (test.damage == "") || !strings.Contains(damage, test.damage) {
				t.Errorf("damage %q, want %q", damage, test.damage)
			}
			// The next record must not be glued to a torn one.
			must(t, r.Made(receipt("next")), r.Close())
			records, again, err := ReadReceipts(dir)
			must(t, err)
			if last := records[len(records)-1]; last.ID != "next" {
				t.Errorf("last record is of %q", last.ID)
			}
			if strings.Join(again, "; ") != damage {
				t.Errorf("damage was %q and is %q", damage, again)
			}
		})
	}
}

// A crash may come after any byte of any write. Whatever is left, it reads
// without damage, and no fault is lost whose receipt was synced.
func TestReceiptsTornAnywhere(t *testing.T) {
	text := bytes.Join(someLines(t), nil)
	text = append(text, '\n')
	starts := bytes.Index(text, []byte(`"fault of b"`))
	starts += bytes.IndexByte(text[starts:], '\n') + 1
	for n := range len(text) + 1 {
		records, damage, good, err := readRecords(bytes.NewReader(text[:n]))
		if err != nil || damage != nil {
			t.Fatalf("torn after %d bytes: damage %v, %v", n, damage, err)
		}
		if good > int64(n) || good > 0 && text[good-1] != '\n' {
			t.Fatalf("torn after %d bytes: cut off at %d", n, good)
		}
		if got := ids(pending(records)); n >= starts && got != "b" {
			t.Fatalf("torn after %d bytes: pending %q", n, got)
		}
	}
}

// A write that fails half-way is taken back, and the log goes on.
func TestReceiptsFailedWrite(t *testing.T) {
	dir := t.TempDir()
	r := openReceiptsIn(t, dir)
	must(t, r.Made(receipt("a")))
	long := receipt("long")
	long.Data = json.RawMessage(`"` + strings.Repeat("x", maxReceiptLine) + `"`)
	if err := r.Made(long); err == nil {
		t.Error("a receipt of a megabyte: no error")
	}
	must(t, r.Gone("a"), r.Close())
	if r := openReceiptsIn(t, dir); len(r.Pending()) != 0 || r.Damage() != nil {
		t.Errorf("pending %v, damage %v", r.Pending(), r.Damage())
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, record := range []Record{
		{Seq: 1, Stage: StageGone, ID: "a"},
		{Seq: 2, Stage: StageMade, ID: "b", Receipt: &Receipt{ID: "b", Data: json.RawMessage(`{"n":1}`)}},
	} {
		text, err := formatRecord(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"crc32c":"00000000","record":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		record, err := parseRecord(bytes.TrimSuffix(text, []byte("\n")))
		if err != nil {
			return
		}
		again, err := formatRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseRecord(bytes.TrimSuffix(again, []byte("\n")))
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if a, b := mustJSON(t, record), mustJSON(t, back); a != b {
			t.Errorf("%s came back as %s", a, b)
		}
	})
}

// BenchmarkReceipts is one record, synced.
func BenchmarkReceipts(b *testing.B) {
	r, err := OpenReceipts(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Made(receipt("a")); err != nil {
			b.Fatal(err)
		}
	}
}
