package clock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// fileVariable is how libfaketime is told its timestamp file.
	fileVariable = "FAKETIME_TIMESTAMP_FILE"
	// How often a process looks at the file: at every call, or when so many
	// seconds have passed, ten unless told otherwise.
	noCacheVariable = "FAKETIME_NO_CACHE"
	cacheVariable   = "FAKETIME_CACHE_DURATION"
	defaultCache    = 10
	// library is how the names of libfaketime's libraries begin.
	library = "libfaketime"
)

// A process is one that was started with a timestamp file.
type process struct {
	pid     int
	name    string
	library string        // path of libfaketime in it, as seen from here; empty: not loaded
	stale   time.Duration // how long it may go on by what the file said before
}

func (p process) String() string { return fmt.Sprintf("process %d (%s)", p.pid, p.name) }

// under finds the processes that were started with the file. Those of other
// users it can only see as root.
func under(file string) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + entry.Name()
		environment, err := os.ReadFile(dir + "/environ")
		if err != nil {
			continue // it has ended, or is somebody else's
		}
		variables := parseEnviron(string(environment))
		if !sameFile(variables[fileVariable], dir, file) {
			continue
		}
		maps, err := os.ReadFile(dir + "/maps")
		if err != nil {
			continue
		}
		name, _ := os.ReadFile(dir + "/comm")
		p := process{pid: pid, name: strings.TrimSpace(string(name)), stale: staleness(variables)}
		if path := mapped(string(maps)); path != "" {
			p.library = filepath.Join(dir+"/root", path)
		}
		found = append(found, p)
	}
	return found, nil
}

// sameFile says whether a process's own path of its timestamp file leads to
// ours, seen from its root and working folder.
func sameFile(theirs, dir, ours string) bool {
	if theirs == "" {
		return false
	}
	path := filepath.Join(dir+"/root", theirs)
	if !filepath.IsAbs(theirs) {
		path = filepath.Join(dir+"/cwd", theirs)
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(ours)
	if errA != nil || errB != nil {
		return filepath.Clean(theirs) == ours && errors.Is(errB, os.ErrNotExist)
	}
	return os.SameFile(a, b)
}

// parseEnviron reads the text of /proc/PID/environ.
func parseEnviron(text string) map[string]string {
	variables := map[string]string{}
	for entry := range strings.SplitSeq(text, "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			variables[name] = value
		}
	}
	return variables
}

// staleness is how long a process with these variables may go on by what it
// read before. Libfaketime counts whole seconds and wants more than them.
func staleness(variables map[string]string) time.Duration {
	if variables[noCacheVariable] == "1" {
		return 0
	}
	seconds, err := strconv.ParseUint(variables[cacheVariable], 10, 16)
	if err != nil {
		seconds = defaultCache
	}
	return time.Duration(seconds+1) * time.Second
}

// mapped finds libfaketime in the text of /proc/PID/maps; empty when it is not
// there.
func mapped(maps string) string {
	for line := range strings.Lines(maps) {
		_, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
		path = "/" + strings.TrimSuffix(path, " (deleted)")
		if ok && strings.HasPrefix(filepath.Base(path), library) {
			return path
		}
	}
	return ""
}
