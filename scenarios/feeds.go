package scenarios

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// mostFile bounds a data file: it is held in memory for the whole run.
const mostFile = 256 << 20

// A feedSpec is one entry of data.
type feedSpec struct {
	name    string
	key     decode.Node
	options feedOptions
	feed    *generators.Feed // nil when it could not be read
	used    bool
}

// stops reports whether the feed ends with its last row.
func (f *feedSpec) stops() bool {
	return f.options.OnEnd == "stop" || f.options.OnEnd == "" && f.options.Pick == "unique"
}

// A table is a data file, read.
type table struct {
	columns []string
	rows    [][]string
}

func (l *loader) readData() {
	n := l.top.Data.Node
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "data is a map of feeds, and this is "+n.Kind().String(), "write data: { users: { csv: users.csv } }")
		return
	}
	for _, e := range n.Entries() {
		f := &feedSpec{name: e.Key, key: e.KeyNode}
		if e.Key == "stack" || leadingName(e.Key) != e.Key {
			l.d.Report(e.KeyNode, codeName, "a feed's name has letters, digits and _, is not stack, and has no digit in front", "")
			continue
		}
		l.feeds[e.Key] = f
		if l.d.Decode(e.Value, &f.options) {
			l.readFeed(f, e.Value)
		}
	}
}

func (l *loader) readFeed(f *feedSpec, n decode.Node) {
	path, read, key := f.options.CSV, generators.ReadCSV, "csv"
	if f.options.JSONL != "" {
		path, read, key = f.options.JSONL, generators.ReadJSONL, "jsonl"
	}
	if (f.options.CSV == "") == (f.options.JSONL == "") {
		l.d.Report(f.key, decode.CodeMissingKey, "a feed reads one file, csv or jsonl", "write "+f.name+": { csv: "+f.name+".csv }")
		return
	}
	at, _ := n.Get(key)
	l.files[path] = true
	t, ok := l.tables[key+":"+path]
	if !ok {
		file, err := l.openFile(path)
		if err == nil {
			t.columns, t.rows, err = read(file)
			file.Close()
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
		}
		if err != nil {
			l.d.Report(at, codeFile, err.Error(), l.fileHint(err, path))
			return
		}
		l.tables[key+":"+path] = t
	}
	feed, err := generators.NewFeed(f.name, t.columns, t.rows, generators.FeedOptions{Pick: f.options.Pick, OnEnd: f.options.OnEnd, Seed: l.top.Seed})
	if err != nil {
		l.d.Report(at, codeFile, path+": "+strings.TrimPrefix(err.Error(), "feed "+f.name+": "), "")
		return
	}
	f.feed = feed
}

// openFile opens a file that the scenario names, relative to its folder.
func (l *loader) openFile(path string) (*os.File, error) {
	l.files[path] = true
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(l.options.Dir, path)
	}
	// Looked at before it is opened: opening a pipe waits for its writer.
	info, err := os.Stat(full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if info.Size() > mostFile {
		return nil, fmt.Errorf("%s is larger than %s", path, decode.FormatBytes(mostFile))
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	return f, nil
}

// cause is what the system said, without the path that it was said of: the
// scenario's own spelling of it is clearer.
func cause(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case errors.As(err, &path):
		var errno syscall.Errno
		if errors.As(path.Err, &errno) {
			return errno
		}
		return path.Err
	}
	return err
}

func (l *loader) fileHint(err error, path string) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	folder := l.options.Dir
	if folder == "" || folder == "." {
		folder = "the working directory"
	} else {
		folder = strconv.Quote(filepath.ToSlash(folder))
	}
	if filepath.IsAbs(path) {
		return ""
	}
	return "files are looked for in the scenario's folder, " + folder
}
