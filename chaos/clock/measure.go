package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// measureBound is how long the measuring process may take.
const measureBound = 5 * time.Second

// A measurement is how far a clock is ahead, give or take.
type measurement struct {
	offset, uncertainty time.Duration
}

// is says whether the measurement agrees with an offset; a quarter of a second
// is far below the least offset.
func (m measurement) is(offset time.Duration) bool {
	return (m.offset - offset).Abs() <= m.uncertainty+leastOffset/4
}

// measure starts a tiny process, date(1), under the same library and file as
// the target and compares what it says with the true time.
func measure(ctx context.Context, library, file string) (measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, measureBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, "date", "-u", "+%s.%N")
	cmd.Env = []string{
		"LC_ALL=C", "LD_PRELOAD=" + library, fileVariable + "=" + file, noCacheVariable + "=1", monotonicVariable + "=1",
	}
	// What the library or the loader has to say spoils the measurement.
	var complaints strings.Builder
	cmd.Stderr = &complaints
	before := time.Now()
	text, err := cmd.Output()
	after := time.Now()
	if err == nil && complaints.Len() > 0 {
		err = errors.New(strings.TrimSpace(complaints.String()))
	}
	if err != nil {
		return measurement{}, fmt.Errorf("measure the clock under %s: %w", file, err)
	}
	said, err := parseTime(strings.TrimSpace(string(text)))
	if err != nil {
		return measurement{}, fmt.Errorf("measure the clock under %s: %w", file, err)
	}
	half := after.Sub(before) / 2
	return measurement{offset: said.Sub(before.Add(half)), uncertainty: half}, nil
}

// parseTime reads seconds and nanoseconds since 1970.
func parseTime(text string) (time.Time, error) {
	whole, fraction, ok := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	nanoseconds, err2 := strconv.ParseUint(fraction, 10, 31)
	if !ok || len(fraction) != 9 || seconds < 0 || seconds > math.MaxInt64>>30 || errors.Join(err, err2) != nil {
		return time.Time{}, fmt.Errorf("%.40q is no time", text)
	}
	return time.Unix(seconds, int64(nanoseconds)), nil
}
