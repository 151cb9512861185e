package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// calibrationsKept bounds the file: so many machines and versions share a
// cache directory.
const calibrationsKept = 20

// calibrations is the file in the user's cache directory, by machine and
// version.
type calibrations map[string]kept

type kept struct {
	When        time.Time    `json:"when"`
	Line        string       `json:"line"` // for the environment section of reports
	Comparisons []comparison `json:"comparisons"`
}

func calibrationFile() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	return filepath.Join(dir, "brunt", "calibration.json"), nil
}

// thisMachine is the key of what was measured here with this version.
func thisMachine() string {
	host, _ := os.Hostname()                               // unnamed machines are one machine
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // not on every system
	return fmt.Sprintf("%s %s %s/%s %d cores brunt %s", host, strings.TrimSpace(string(kernel)), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), version())
}

// keepCalibration puts the figures where later runs find them.
func keepCalibration(comparisons []comparison, now time.Time) (file string, err error) {
	if file, err = calibrationFile(); err != nil {
		return "", err
	}
	all, err := readCalibrations(file)
	if err != nil {
		all = nil // damaged: made anew
	}
	if all == nil {
		all = calibrations{}
	}
	all[thisMachine()] = kept{now.UTC(), summarizeComparisons(comparisons, now), comparisons}
	for len(all) > calibrationsKept {
		delete(all, slices.MinFunc(slices.Collect(maps.Keys(all)), func(a, b string) int { return all[a].When.Compare(all[b].When) }))
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write calibration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("write calibration: %w", err)
	}
	if err := replaceFile(file, text); err != nil {
		return "", fmt.Errorf("write calibration: %w", err)
	}
	return file, nil
}

// replaceFile writes a file so that readers see the old or the new one.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is no use, and no harm
	}
	return err
}

func readCalibrations(file string) (calibrations, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	var all calibrations
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	return all, nil
}

// calibrationLine says how well this brunt measures on this machine, as far as
// that was tried.
func calibrationLine() string {
	const none = "not done for this version on this machine (brunt doctor --calibrate)"
	file, err := calibrationFile()
	if err != nil {
		return none
	}
	all, err := readCalibrations(file)
	if err != nil || all[thisMachine()].Line == "" {
		return none
	}
	return all[thisMachine()].Line
}

// summarizeComparisons is one line for reports: what was off, and by how much
// brunt exceeds the truth in the plainest case.
func summarizeComparisons(all []comparison, now time.Time) string {
	off := 0
	var parts []string
	bare := ""
	for _, r := range all {
		if r.Off != "" {
			off++
		}
		if r.Planted == all[0].Planted {
			d := r.Measured.minus(r.Truth)
			parts = append(parts, fmt.Sprintf("%s p50 +%s, p99 +%s", r.Path, millis(d.P50), millis(d.P99)))
			if bare == "" {
				bare = fmt.Sprintf("a bare client p50 +%s, p99 +%s", millis(r.Bare.P50), millis(r.Bare.P99))
			}
		}
	}
	return fmt.Sprintf("%s: %d of %d plantings ok; %s at %d/s: %s; %s",
		now.UTC().Format("2006-01-02"), len(all)-off, len(all), all[0].Planted, all[0].Rate, strings.Join(parts, "; "), bare)
}
