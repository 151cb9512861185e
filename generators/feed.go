package generators

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"slices"
)

// ErrFeedEnded says that a feed with on_end: stop has given out its last row.
var ErrFeedEnded = errors.New("feed has no more rows")

// FeedOptions say which row of a feed an arrival gets.
type FeedOptions struct {
	// Pick is "sequential" (the default), "unique" or "random".
	Pick string
	// OnEnd is "wrap" (start again at the first row) or "stop" (ErrFeedEnded).
	// Empty means stop for unique, which promises each row at most once, and
	// wrap for the others. A random pick never ends, so it refuses "stop".
	OnEnd string
	// Seed decides a random pick, together with the feed's name: feeds that
	// share a scenario's seed pick independently of each other.
	Seed uint64
}

// A Feed is a table of data for arrivals to use. It is immutable, so every
// session of every worker may share it.
type Feed struct {
	name    string
	columns []string
	index   map[string]int // column name to its place in a row
	rows    [][]string
	random  bool
	stop    bool
	seed    uint64
}

// NewFeed makes a feed of rows, each with one value for every column. It
// keeps columns and rows: the caller must not change them afterwards. It
// errs on an empty table, column names that are empty or not unique, rows of
// another length, and options it does not know.
func NewFeed(name string, columns []string, rows [][]string, o FeedOptions) (*Feed, error) {
	index, err := indexColumns(columns)
	if err != nil {
		return nil, fmt.Errorf("feed %s: %w", name, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("feed %s: no rows", name)
	}
	for i, row := range rows {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("feed %s: row %d has %s, there are %s", name, i+1, plural(len(row), "value"), plural(len(columns), "column"))
		}
	}
	f := &Feed{name: name, columns: columns, index: index, rows: rows}
	switch o.Pick {
	case "", "sequential":
	case "unique":
		f.stop = true
	case "random":
		f.random = true
	default:
		return nil, fmt.Errorf("feed %s: pick %q is not sequential, random or unique", name, o.Pick)
	}
	switch o.OnEnd {
	case "":
	case "wrap":
		f.stop = false
	case "stop":
		if f.random {
			return nil, fmt.Errorf("feed %s: on_end: stop says nothing with pick: random, which never ends", name)
		}
		f.stop = true
	default:
		return nil, fmt.Errorf("feed %s: on_end %q is not wrap or stop", name, o.OnEnd)
	}
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	f.seed = mix(o.Seed ^ h.Sum64())
	return f, nil
}

// Row is the row that belongs to an arrival, by its index from 0. It depends
// on nothing but the feed and that index: any session on any worker gets the
// same row, in any order. It errs with ErrFeedEnded, wrapped, when the feed
// stops at its end and the arrival lies behind it.
func (f *Feed) Row(arrival int64) (Row, error) {
	n := uint64(len(f.rows))
	i := uint64(arrival)
	switch {
	case f.random:
		i = pick(f.seed, i, n)
	case i < n:
	case f.stop:
		return Row{}, fmt.Errorf("feed %s: arrival %d of %s: %w", f.name, arrival, plural(len(f.rows), "row"), ErrFeedEnded)
	default:
		i %= n
	}
	return Row{index: f.index, values: f.rows[i]}, nil
}

// Len is the number of rows, at least one.
func (f *Feed) Len() int { return len(f.rows) }

// Columns are the names of the columns, in the order of the file.
func (f *Feed) Columns() []string { return slices.Clone(f.columns) }

// A Row is one row of a feed. The zero Row has no columns.
type Row struct {
	index  map[string]int
	values []string
}

// Get is the row's value in a column, and whether there is such a column.
func (r Row) Get(column string) (string, bool) {
	i, ok := r.index[column]
	if !ok {
		return "", false
	}
	return r.values[i], true
}

// indexColumns maps each column name to its place, and errs unless every one
// can be told from the others.
func indexColumns(columns []string) (map[string]int, error) {
	if len(columns) == 0 {
		return nil, errors.New("no columns")
	}
	index := make(map[string]int, len(columns))
	for i, c := range columns {
		if c == "" {
			return nil, fmt.Errorf("column %d has no name", i+1)
		}
		if first, ok := index[c]; ok {
			return nil, fmt.Errorf("columns %d and %d are both named %q", first+1, i+1, c)
		}
		index[c] = i
	}
	return index, nil
}

// golden is the step of SplitMix64: 2⁶⁴ divided by the golden ratio, odd.
const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64 (Steele, Lea and Flood: Fast
// splittable pseudorandom number generators, 2014).
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pick is a number in [0, n), uniform over i and without bias (Lemire: Fast
// random integer generation in an interval, 2019): position i of the
// SplitMix64 sequence of seed, mixed again in the rare case that it falls
// into the part that does not divide evenly.
func pick(seed, i, n uint64) uint64 {
	x := mix(seed + i*golden)
	hi, lo := bits.Mul64(x, n)
	if lo < n {
		for uneven := -n % n; lo < uneven; {
			x = mix(x)
			hi, lo = bits.Mul64(x, n)
		}
	}
	return hi
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
