package clock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// maxFile bounds a timestamp file; it holds one line and remarks.
const maxFile = 4 << 10

// noOffset is what a timestamp file holds while no fault is on.
const noOffset = "+0.000000000\n"

// content is what a fault writes: libfaketime passes over lines with a #, so
// the file says for itself whose it is.
func content(offset time.Duration, owner string) string {
	return fmt.Sprintf("# set by brunt, fault %s; `brunt undo` takes it back\n%s\n", owner, formatOffset(offset))
}

func formatOffset(offset time.Duration) string {
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%c%d.%09d", sign, offset/time.Second, offset%time.Second)
}

// parseOffset reads a timestamp file: remarks, and one line with an offset in
// seconds. Libfaketime knows other forms, which are refused: what they mean
// now depends on when the process was started.
func parseOffset(text string) (time.Duration, error) {
	found := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case found != "":
			return 0, errors.New("it has more than one line with an offset")
		default:
			found = line
		}
	}
	if found == "" || found[0] != '+' && found[0] != '-' {
		return 0, fmt.Errorf("%.40q is no offset in seconds", found)
	}
	whole, fraction, _ := strings.Cut(found[1:], ".")
	seconds, err := strconv.ParseUint(whole, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no offset in seconds", found)
	}
	offset := time.Duration(seconds) * time.Second
	if fraction != "" {
		if len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
			return 0, fmt.Errorf("%.40q is no offset in seconds", found)
		}
		nanoseconds, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 31)
		if err != nil {
			return 0, fmt.Errorf("%.40q is no offset in seconds", found)
		}
		offset += time.Duration(nanoseconds)
	}
	if found[0] == '-' {
		offset = -offset
	}
	return offset, nil
}

// A file is a timestamp file as it was found.
type file struct {
	text     string
	mode     fs.FileMode
	modified time.Time
}

// readFile reads a timestamp file whole.
func readFile(path string) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return file{}, fmt.Errorf("read timestamp file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return file{}, fmt.Errorf("read timestamp file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("read timestamp file: %s is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return file{}, fmt.Errorf("read timestamp file: %w", err)
	}
	if len(text) > maxFile {
		return file{}, fmt.Errorf("read timestamp file: %s has more than %d bytes, so it is none", path, maxFile)
	}
	return file{text: string(text), mode: info.Mode().Perm(), modified: info.ModTime()}, nil
}

// writeTries is how often writing is begun anew when somebody who undoes the
// same fault has swept the new file away.
const writeTries = 3

// writeFile puts a text into a timestamp file, whole or not at all: whoever
// reads it at that moment must not see half an offset. For a moment there is a
// second file beside it, which a writer that is killed leaves for clearAway.
func writeFile(path, text string, mode fs.FileMode, owner string) error {
	path, err := filepath.EvalSymlinks(path)
	for try := 1; err == nil; try++ {
		err = replace(path, text, mode, owner)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) && try < writeTries {
			err = nil
		}
	}
	return fmt.Errorf("write timestamp file: %w", err)
}

// replace renames a new file over the one at path.
func replace(path, text string, mode fs.FileMode, owner string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), besides(path, owner)+"*")
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(text)
	chaos.Pass(chaos.Injecting)
	err = errors.Join(err, temporary.Chmod(mode), sameOwner(temporary, path), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// besides is how the names begin of the files that writers of one owner make
// beside a timestamp file.
func besides(path, owner string) string { return "." + filepath.Base(path) + "." + owner + "." }

// clearAway removes what killed writers of an owner left beside a timestamp file.
func clearAway(path, owner string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), besides(path, owner)) {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
		}
	}
	return errors.Join(errs...)
}
