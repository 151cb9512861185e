package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Open reads the journal of a run directory. What cannot be read of the events
// and the histograms (a line torn by a crash, a damaged one in the middle, a
// file that is missing) is left out and reported in Damage. It fails only when
// the directory or its plan cannot be read.
func Open(dir string) (*Journal, error) {
	plan, err := readPlan(filepath.Join(dir, PlanFile))
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	j := New(plan)
	events := j.read(dir, EventsFile, j.readEvent)
	var d decoder
	latency := j.read(dir, LatencyFile, func(line []byte) error { return j.readInterval(&d, line) })
	if err := errors.Join(events, latency); err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	return j, nil
}

func readPlan(name string) (plan Plan, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return plan, fmt.Errorf("%s is no run directory: %w", filepath.Dir(name), err)
	}
	if err != nil {
		return plan, err
	}
	if err := json.Unmarshal(b, &plan); err != nil {
		return plan, fmt.Errorf("%s: %w", name, err)
	}
	if plan.Version > PlanVersion {
		return plan, fmt.Errorf("%s: version %d, and this brunt reads up to %d", name, plan.Version, PlanVersion)
	}
	return plan, nil
}

// maxDamage bounds how many damaged lines of a file are told one by one.
const maxDamage = 10

// read calls f with each line of a file and reports the lines it refuses.
func (j *Journal) read(dir, name string, f func(line []byte) error) error {
	file, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		j.Damage = append(j.Damage, name+" is missing")
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	damaged := 0
	err = eachLine(file, func(number int, line []byte, whole bool, err error) {
		if err == nil {
			err = f(line)
		}
		if err == nil {
			return
		}
		if damaged++; damaged > maxDamage {
			return
		}
		what := "is damaged"
		if !whole {
			what = "is torn: the file ends in it"
		}
		j.Damage = append(j.Damage, fmt.Sprintf("%s line %d %s (%v)", name, number, what, err))
	})
	if damaged > maxDamage {
		j.Damage = append(j.Damage, fmt.Sprintf("%s: %d more damaged lines", name, damaged-maxDamage))
	}
	if err != nil {
		// The disk gave up half-way: keep what it gave.
		j.Damage = append(j.Damage, fmt.Sprintf("%s: %v", name, err))
	}
	return nil
}

func (j *Journal) readEvent(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	if e.Kind == "" {
		return errors.New("not an event")
	}
	j.addEvent(e)
	return nil
}

func (j *Journal) readInterval(d *decoder, line []byte) error {
	p, ok, err := d.parse(line)
	if err != nil || !ok {
		return err
	}
	payload := j.arena.keep(func(dst []byte) []byte { return append(dst, p.payload...) })
	j.addInterval(Interval{
		Load: p.key.load, Step: p.key.step, Outcome: p.key.outcome, Measure: p.key.measure,
		Start: p.start, Length: p.length,
	}, payload, p.count)
	return nil
}

// maxLine is more than any line of a journal takes. A longer one (a disk that
// came back full of zeros) is damage, and not read into memory.
const maxLine = 16 << 20

var errLongLine = fmt.Errorf("longer than %d MiB", maxLine>>20)

// eachLine calls f with the lines of r in turn, numbered from 1, without their
// newlines; whole is false for a last line that has none, and err says why a
// line cannot be given. The line is valid until f returns.
func eachLine(r io.Reader, f func(number int, line []byte, whole bool, err error)) error {
	br := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for number := 1; ; number++ {
		line, err := br.ReadSlice('\n')
		var tooLong error
		for long = long[:0]; errors.Is(err, bufio.ErrBufferFull); line, err = br.ReadSlice('\n') {
			if len(long) > maxLine {
				tooLong = errLongLine
				continue
			}
			long = append(long, line...)
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if err != nil && err != io.EOF {
			return err
		}
		if len(line) > 0 {
			whole := line[len(line)-1] == '\n'
			if whole {
				line = line[:len(line)-1]
			}
			f(number, line, whole, tooLong)
		}
		if err == io.EOF {
			return nil
		}
	}
}
