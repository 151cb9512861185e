package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ReceiptsFile is the name of the receipts' file in a run directory.
const ReceiptsFile = "receipts.jsonl"

// A file longer than maxReceipts is none of ours: a receipt has some hundred
// bytes, and a run some hundred faults. It bounds what a reader takes.
const (
	maxReceipts    = 64 << 20
	maxReceiptLine = 1 << 20
)

// ErrLocked is returned by OpenReceipts while another process holds the run
// directory's receipts: its run is still going, or another undo is.
var ErrLocked = errors.New("in use by another brunt")

// A Stage is how far a fault has come, as the receipts' file records it.
type Stage string

const (
	StageMade      Stage = "made"      // the receipt; nothing touched yet
	StageInjecting Stage = "injecting" // Inject is about to be called
	StageInjected  Stage = "injected"  // Inject returned without error
	StageUndone    Stage = "undone"    // Undo returned without error
	StageGone      Stage = "gone"      // Verify saw it gone: the end
	StageConflict  Stage = "conflict"  // not ours any more; left alone
)

// A Record is one line of the receipts' file.
type Record struct {
	Seq     int       `json:"seq"`             // counts from 1, so that a missing line shows
	Epoch   int64     `json:"epoch,omitempty"` // in whose turn it was written; see EpochFile
	At      time.Time `json:"at"`
	Stage   Stage     `json:"stage"`
	ID      string    `json:"id"`
	Receipt *Receipt  `json:"receipt,omitempty"` // of StageMade
	Text    string    `json:"text,omitempty"`    // of StageConflict: what was found
}

// line is how a Record lies in the file: with the CRC-32C of its bytes.
type line struct {
	Sum    string          `json:"crc32c"`
	Record json.RawMessage `json:"record"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Receipts is the write-ahead log of a run's faults: what was about to be
// touched is on disk, synced, before it is touched. It is an append-only file
// of JSON lines, each with a checksum, held under a lock. Whoever takes over
// from a holder that is stopped cannot take its lock; an epoch in a file of its
// own fences that holder off. Its methods are safe for concurrent use.
type Receipts struct {
	mu      sync.Mutex
	file    *os.File
	dir     string
	epoch   int64 // whose turn it was when the file was opened
	good    int64 // length of the file up to the last whole record
	broken  error // set when a failed write could not be taken back
	records []Record
	damage  []string
}

// OpenReceipts opens the receipts of a run directory, making the file if there
// is none, and locks them; ErrLocked says that another process has. A record
// torn by a crash in mid-write is cut off: what it announced never began. The
// lock ends with Close or with the process.
func OpenReceipts(dir string) (*Receipts, error) {
	path := filepath.Join(dir, ReceiptsFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // kinds keep keys in their receipts
	if err != nil {
		return nil, fmt.Errorf("open receipts: %w", err)
	}
	r, err := openReceipts(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open receipts %s: %w", path, err), file.Close())
	}
	return r, nil
}

func openReceipts(file *os.File) (*Receipts, error) {
	if err := lock(file); err != nil {
		return nil, err
	}
	r := &Receipts{file: file, dir: filepath.Dir(file.Name())}
	r.adopt()
	var err error
	if r.records, r.damage, r.good, err = readRecords(file); err != nil {
		return nil, err
	}
	if err := r.takeBack(); err != nil {
		return nil, err
	}
	// The file's name must survive a power cut as well as its bytes.
	return r, syncDir(r.dir)
}

// adopt takes the turn: the present epoch, or the first. An epoch that was never
// written whole is raised: there is nobody else here. Where even that fails (a
// full disk), nothing can be recorded, but faults can still be mended.
func (r *Receipts) adopt() {
	epoch, err := Epoch(r.dir)
	if err != nil || epoch == 0 {
		epoch, _ = Fence(r.dir) // what it lacks, every write will say
	}
	r.epoch = epoch
}

// Resume takes the turn back after it was taken from this process. It is for a
// run that was fenced off by someone who is there no more.
func (r *Receipts) Resume() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	epoch, err := Fence(r.dir)
	if err != nil {
		return err
	}
	r.epoch = epoch
	return nil
}

// fenced returns ErrFenced when someone else has taken the turn.
func (r *Receipts) fenced() error {
	switch now, err := Epoch(r.dir); {
	case err != nil:
		return err
	case now > r.epoch:
		return fmt.Errorf("%w: epoch %d has begun, and this is %d", ErrFenced, now, r.epoch)
	}
	return nil
}

// ReadReceipts reads the records of a run directory without locking or
// changing anything; a run may be going on in it. A directory without receipts
// has no records. Damage says in plain sentences what could not be read.
func ReadReceipts(dir string) (records []Record, damage []string, err error) {
	file, err := os.Open(filepath.Join(dir, ReceiptsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read receipts: %w", err)
	}
	defer file.Close()
	records, damage, _, err = readRecords(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read receipts: %w", err)
	}
	return records, damage, nil
}

// ReadPending is ReadReceipts for what is not verified gone; see Pending.
func ReadPending(dir string) (receipts []Receipt, damage []string, err error) {
	records, damage, err := ReadReceipts(dir)
	return pending(records), damage, err
}

// readRecords reads all whole records, and good, the length of the file up to
// the last of them. Only a last line without its newline is torn; any other
// line that does not check out is damage, because it was once synced.
func readRecords(file io.Reader) (records []Record, damage []string, good int64, err error) {
	data, err := io.ReadAll(io.LimitReader(file, maxReceipts+1))
	if err != nil {
		return nil, nil, 0, err
	}
	if len(data) > maxReceipts {
		return nil, nil, 0, fmt.Errorf("longer than %d bytes", maxReceipts)
	}
	made := map[string]bool{}
	for n := 1; ; n++ {
		text, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			return records, damage, good, nil
		}
		data = rest
		good += int64(len(text)) + 1
		record, err := parseRecord(text)
		if err != nil {
			damage = append(damage, fmt.Sprintf("receipts line %d: %v", n, err))
			continue
		}
		if record.Stage == StageMade {
			made[record.ID] = true
		} else if !made[record.ID] {
			damage = append(damage, fmt.Sprintf("receipts line %d: the receipt of %s is missing", n, record.ID))
			made[record.ID] = true // say it once
		}
		records = append(records, record)
	}
}

// parseRecord reads one line and checks its sum.
func parseRecord(text []byte) (Record, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Record{}, errors.New("not a record")
	}
	if sum := checksum(l.Record); sum != l.Sum {
		return Record{}, errors.New("checksum does not match")
	}
	var record Record
	if err := json.Unmarshal(l.Record, &record); err != nil {
		return Record{}, errors.New("not a record")
	}
	switch {
	case record.ID == "":
		return Record{}, errors.New("names no receipt")
	case record.Stage == StageMade && (record.Receipt == nil || record.Receipt.ID != record.ID):
		return Record{}, errors.New("holds no receipt")
	}
	return record, nil
}

// formatRecord is the inverse of parseRecord, newline included.
func formatRecord(record Record) ([]byte, error) {
	raw, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(line{Sum: checksum(raw), Record: raw})
	if err != nil {
		return nil, err
	}
	if len(text) >= maxReceiptLine {
		return nil, fmt.Errorf("record of %d bytes is too long", len(text))
	}
	return append(text, '\n'), nil
}

func checksum(record []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(record, castagnoli))
}

// Made puts a receipt on disk. It must return before the fault's Inject
// is called.
func (r *Receipts) Made(receipt Receipt) error {
	if receipt.ID == "" {
		return errors.New("write receipt: it has no ID")
	}
	return r.write(Record{Stage: StageMade, ID: receipt.ID, Receipt: &receipt})
}

// Injecting records that Inject is about to be called.
func (r *Receipts) Injecting(id string) error {
	return r.write(Record{Stage: StageInjecting, ID: id})
}

// Injected records that Inject returned without error.
func (r *Receipts) Injected(id string) error {
	return r.write(Record{Stage: StageInjected, ID: id})
}

// Undone records that Undo returned without error.
func (r *Receipts) Undone(id string) error {
	return r.write(Record{Stage: StageUndone, ID: id})
}

// Gone records that Verify saw the fault gone. It is pending no more.
func (r *Receipts) Gone(id string) error {
	return r.write(Record{Stage: StageGone, ID: id})
}

// Conflict records that the target is not ours any more, and what was
// found instead. It stays pending, so that a later undo looks again.
func (r *Receipts) Conflict(id, found string) error {
	return r.write(Record{Stage: StageConflict, ID: id, Text: found})
}

// write appends one record and returns when it is on disk. Nil receipts record
// nothing.
func (r *Receipts) write(record Record) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return fmt.Errorf("write receipt %s: %w", record.ID, r.broken)
	}
	if err := r.fenced(); err != nil {
		return fmt.Errorf("write receipt %s: %w", record.ID, err)
	}
	record.At = time.Now().UTC()
	record.Epoch = r.epoch
	record.Seq = 1
	if n := len(r.records); n > 0 {
		record.Seq = r.records[n-1].Seq + 1
	}
	text, err := formatRecord(record)
	if err == nil {
		_, err = r.file.WriteAt(text, r.good)
	}
	if err == nil {
		err = r.file.Sync()
	}
	if err != nil {
		// A half-written line must not be glued to the next one.
		r.broken = r.takeBack()
		return fmt.Errorf("write receipt %s: %w", record.ID, err)
	}
	r.good += int64(len(text))
	r.records = append(r.records, record)
	return nil
}

// takeBack cuts off what lies after the last whole record.
func (r *Receipts) takeBack() error {
	if err := r.file.Truncate(r.good); err != nil {
		return fmt.Errorf("cut off torn record: %w", err)
	}
	return nil
}

// Pending returns the receipts not verified gone, oldest first, without
// one-shots. A receipt that was made but never injected is among them: undoing
// it is harmless, and missing one would not be.
func (r *Receipts) Pending() []Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return pending(r.records)
}

func pending(records []Record) []Receipt {
	gone := map[string]bool{}
	var made []Receipt
	for _, record := range records {
		switch record.Stage {
		case StageMade:
			made = append(made, *record.Receipt)
		case StageGone:
			gone[record.ID] = true
		}
	}
	return slices.DeleteFunc(made, func(receipt Receipt) bool { return receipt.OneShot || gone[receipt.ID] })
}

// Records returns a copy of everything recorded, in order.
func (r *Receipts) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// Damage says, in plain sentences, what of the file could not be read. Faults
// whose receipts are among it cannot be undone from here.
func (r *Receipts) Damage() []string { return slices.Clone(r.damage) }

// Close gives up the lock. It is idempotent.
func (r *Receipts) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil || errors.Is(r.broken, os.ErrClosed) {
		return nil
	}
	r.broken = os.ErrClosed
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("close receipts: %w", err)
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync folder: %w", err), d.Close())
	}
	return d.Close()
}
