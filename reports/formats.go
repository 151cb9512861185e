package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// A Format prints a report. It is a function of the report alone.
type Format func(io.Writer, *Report) error

// Formats returns the formats by name.
func Formats() map[string]Format {
	return map[string]Format{
		"text":     Text,
		"json":     JSON,
		"junit":    JUnit,
		"html":     HTML,
		"markdown": Markdown,
	}
}

// files are the formats that a run directory has a file for, in the order in
// which they are written.
func files() []struct{ format, name string } {
	return []struct{ format, name string }{
		{"json", "report.json"},
		{"html", "report.html"},
		{"markdown", "report.md"},
		{"junit", "junit.xml"},
	}
}

// WriteFiles writes a report's files into the run directory: report.json
// always, the others when formats names them or is empty. Names of formats
// that have no file are left alone. Each file appears whole or not at all; one
// that cannot be written does not keep the others from it.
func WriteFiles(dir string, r *Report, formats []string) error {
	var errs []error
	for _, f := range files() {
		if f.format != "json" && len(formats) > 0 && !slices.Contains(formats, f.format) {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), r, Formats()[f.format]); err != nil {
			errs = append(errs, fmt.Errorf("write report: %w", err))
		}
	}
	return errors.Join(errs...)
}

// writeFile prints into a file beside the one meant, and renames it.
func writeFile(name string, r *Report, print Format) (err error) {
	var b bytes.Buffer
	if err := print(&b, r); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b.Bytes()); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
