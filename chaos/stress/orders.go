package stress

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// ioBlock is how much a writer writes at once.
const ioBlock = 1 << 20

// orders are what the receipts of this kind hold and what the helper is told,
// word for word the same: what a helper's command line says is all that is
// needed to undo it.
type orders struct {
	Boot      string        `json:"boot"`          // the boot in which the helper lives
	Namespace string        `json:"pid_namespace"` // where its pid has a meaning
	User      int           `json:"uid"`           // whose it is
	TTL       time.Duration `json:"ttl_ns"`
	CPU       *CPU          `json:"cpu,omitempty"`
	Memory    *Memory       `json:"memory,omitempty"`
	IO        *IO           `json:"io,omitempty"`
	Fill      *DiskFill     `json:"disk_fill,omitempty"`
}

// parse reads orders that may have come from anywhere: they are checked as if
// they were a configuration, so that no text makes a helper exceed the caps.
func parse(text []byte) (orders, error) {
	var o orders
	if err := json.Unmarshal(text, &o); err != nil {
		return orders{}, err
	}
	if o.Boot == "" || o.Namespace == "" {
		return orders{}, errors.New("it does not say where the helper lives")
	}
	if o.TTL <= 0 || o.TTL > longestExpiry+expiryMargin {
		return orders{}, fmt.Errorf("its time to live is %s", o.TTL)
	}
	var problem error
	Config{CPU: o.CPU, Memory: o.Memory, IO: o.IO, Fill: o.Fill}.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, fmt.Errorf("%s: %s", field, message))
	})
	if problem == nil && o.CPU != nil && (o.CPU.Workers == 0 || o.CPU.Load == 0) {
		problem = errors.New("cpu: no workers")
	}
	if problem == nil && o.IO != nil && (o.IO.Workers == 0 || o.IO.Size == 0) {
		problem = errors.New("io: no workers")
	}
	for _, dir := range o.dirs() {
		if !filepath.IsAbs(dir) {
			problem = errors.Join(problem, fmt.Errorf("%s is not an absolute path", dir))
		}
	}
	return o, problem
}

// read is parse for a receipt.
func read(receipt chaos.Receipt) (orders, error) {
	o, err := parse(receipt.Data)
	if err == nil && !goodID(receipt.ID) {
		err = errors.New("it has a senseless ID")
	}
	if err != nil {
		return orders{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	return o, nil
}

func (o orders) dirs() []string {
	var dirs []string
	if o.IO != nil {
		dirs = append(dirs, o.IO.Dir)
	}
	if o.Fill != nil {
		dirs = append(dirs, o.Fill.Dir)
	}
	return dirs
}

// fillFile and ioFiles are the files that a helper makes, by full path. Their
// names hold the receipt's ID, and they are made only where there is none.
func (o orders) fillFile(id string) string { return filepath.Join(o.Fill.Dir, fileName(id, "fill")) }

func (o orders) ioFiles(id string) []string {
	files := make([]string, o.IO.Workers)
	for i := range files {
		files[i] = filepath.Join(o.IO.Dir, fileName(id, "io-"+strconv.Itoa(i)))
	}
	return files
}

func (o orders) files(id string) []string {
	var files []string
	if o.Fill != nil {
		files = append(files, o.fillFile(id))
	}
	if o.IO != nil {
		files = append(files, o.ioFiles(id)...)
	}
	return files
}

func fileName(id, what string) string { return ".brunt-stress-" + id + "-" + what }

// targets are what the fault touches, for people.
func (o orders) targets() []string {
	var targets []string
	if o.CPU != nil {
		targets = append(targets, "this machine's processors")
	}
	if o.Memory != nil {
		targets = append(targets, "this machine's memory")
	}
	if o.IO != nil {
		targets = append(targets, "the disk at "+o.IO.Dir)
	}
	if o.Fill != nil && (o.IO == nil || o.IO.Dir != o.Fill.Dir) {
		targets = append(targets, "the disk at "+o.Fill.Dir)
	}
	return targets
}

// mark is the argument by which a helper is known.
const mark = "brunt-fault:"

// arguments are a helper's command line after the program.
func arguments(receipt chaos.Receipt) []string {
	return []string{Command, mark + receipt.ID, string(receipt.Data)}
}

// parseArguments reads a helper's whole command line, as /proc has it. It says
// no to every other process's.
func parseArguments(cmdline string) (id string, data string, ok bool) {
	args := strings.Split(strings.TrimSuffix(cmdline, "\x00"), "\x00")
	if len(args) != 4 || args[1] != Command {
		return "", "", false
	}
	id, ok = strings.CutPrefix(args[2], mark)
	return id, args[3], ok && goodID(id)
}

// goodID says whether an ID can be one of ours: a name, a dash and 16
// hexadecimal digits, nothing that could lead a file name elsewhere.
func goodID(id string) bool {
	name, random, ok := cutLast(id, "-")
	if !ok || name == "" || len(id) > 200 || len(random) != 16 || strings.Trim(random, "0123456789abcdef") != "" {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f })
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
