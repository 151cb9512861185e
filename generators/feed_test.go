package generators

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// numbered is a feed of n rows with the row's number in column "n".
func numbered(t testing.TB, n int, o FeedOptions) *Feed {
	t.Helper()
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = []string{strconv.Itoa(i)}
	}
	f, err := NewFeed("users", []string{"n"}, rows, o)
	if err != nil {
		t.Fatalf("NewFeed: %v", err)
	}
	return f
}

func rowNumber(t testing.TB, f *Feed, arrival int64) int {
	t.Helper()
	r, err := f.Row(arrival)
	if err != nil {
		t.Fatalf("row of arrival %d: %v", arrival, err)
	}
	value, ok := r.Get("n")
	if !ok {
		t.Fatalf("row of arrival %d has no column n", arrival)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("row of arrival %d: %v", arrival, err)
	}
	return n
}

func TestRowInOrder(t *testing.T) {
	tests := []struct {
		name    string
		options FeedOptions
		arrival int64
		want    int // -1: ended
	}{
		// Nothing said: in order, again and again.
		{"first", FeedOptions{}, 0, 0},
		{"last", FeedOptions{}, 4, 4},
		{"wraps", FeedOptions{}, 5, 0},
		{"wraps far out", FeedOptions{Pick: "sequential", OnEnd: "wrap"}, math.MaxInt64, math.MaxInt64 % 5},
		// A sequential feed may end if told so.
		{"stops", FeedOptions{Pick: "sequential", OnEnd: "stop"}, 5, -1},
		// A unique one ends unless told otherwise: it gives each row at most once.
		{"unique", FeedOptions{Pick: "unique"}, 4, 4},
		{"unique stops", FeedOptions{Pick: "unique"}, 5, -1},
		{"unique wraps when told", FeedOptions{Pick: "unique", OnEnd: "wrap"}, 7, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := numbered(t, 5, tt.options)
			if tt.want >= 0 {
				if got := rowNumber(t, f, tt.arrival); got != tt.want {
					t.Errorf("arrival %d gets row %d, want %d", tt.arrival, got, tt.want)
				}
				return
			}
			_, err := f.Row(tt.arrival)
			if !errors.Is(err, ErrFeedEnded) || !strings.Contains(err.Error(), "feed users: arrival 5 of 5 rows") {
				t.Errorf("error is %v, want ErrFeedEnded with the feed and the arrival", err)
			}
		})
	}
}

func TestRandomRowDependsOnSeedNameAndArrivalAlone(t *testing.T) {
	f := numbered(t, 1000, FeedOptions{Pick: "random", Seed: 7})
	other := numbered(t, 1000, FeedOptions{Pick: "random", Seed: 8})
	named, err := NewFeed("items", f.columns, f.rows, FeedOptions{Pick: "random", Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	same, sameNamed := 0, 0
	for i := int64(999); i >= 0; i-- { // backwards: the order does not matter
		n := rowNumber(t, f, i)
		if again := rowNumber(t, numbered(t, 1000, FeedOptions{Pick: "random", Seed: 7}), i); again != n {
			t.Fatalf("arrival %d gets row %d, then %d", i, n, again)
		}
		if rowNumber(t, other, i) == n {
			same++
		}
		if rowNumber(t, named, i) == n {
			sameNamed++
		}
	}
	// By chance about 1 in 1000 is the same.
	if same > 8 || sameNamed > 8 {
		t.Errorf("%d rows are the same for another seed, %d for another feed, want about 1", same, sameNamed)
	}
}

// TestRandomRowsAreUniform bounds χ² at its mean plus five standard
// deviations, for sizes that divide 2⁶⁴ and those that do not.
func TestRandomRowsAreUniform(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 1000} {
		for seed := range uint64(5) {
			f := numbered(t, n, FeedOptions{Pick: "random", Seed: seed})
			counts := make([]int, n)
			each := 200
			for i := range int64(n * each) {
				counts[rowNumber(t, f, i)]++
			}
			var chi2 float64
			for _, c := range counts {
				chi2 += float64((c-each)*(c-each)) / float64(each)
			}
			if df := float64(n - 1); chi2 > df+5*math.Sqrt(2*df) {
				t.Errorf("%d rows, seed %d: χ² is %.1f, want about %v", n, seed, chi2, df)
			}
		}
	}
}

// TestPickHasNoBias takes the largest share of values that do not divide
// evenly: a third of them would go to the first two thirds of the rows.
func TestPickHasNoBias(t *testing.T) {
	const n = 3 << 62 // of 2⁶⁴
	low, total := 0, 20000
	for i := range uint64(total) {
		if pick(99, i, n) < n/2 {
			low++
		}
	}
	if got := float64(low) / float64(total); math.Abs(got-0.5) > 0.02 {
		t.Errorf("%.3f of the picks are in the lower half", got)
	}
}

func TestNewFeedRefuses(t *testing.T) {
	tests := []struct {
		name    string
		columns []string
		rows    [][]string
		options FeedOptions
		want    string
	}{
		{"no columns", nil, [][]string{{}}, FeedOptions{}, "feed users: no columns"},
		{"a column without a name", []string{"a", ""}, [][]string{{"1", "2"}}, FeedOptions{}, "feed users: column 2 has no name"},
		{"a column twice", []string{"a", "b", "a"}, [][]string{{"1", "2", "3"}}, FeedOptions{}, `feed users: columns 1 and 3 are both named "a"`},
		{"no rows", []string{"a"}, nil, FeedOptions{}, "feed users: no rows"},
		{"a short row", []string{"a", "b"}, [][]string{{"1", "2"}, {"1"}}, FeedOptions{}, "feed users: row 2 has 1 value, there are 2 columns"},
		{"an unknown pick", []string{"a"}, [][]string{{"1"}}, FeedOptions{Pick: "shuffle"}, `feed users: pick "shuffle" is not sequential, random or unique`},
		{"an unknown end", []string{"a"}, [][]string{{"1"}}, FeedOptions{OnEnd: "fail"}, `feed users: on_end "fail" is not wrap or stop`},
		// It would be taken for a promise that nothing keeps.
		{"a random pick that stops", []string{"a"}, [][]string{{"1"}}, FeedOptions{Pick: "random", OnEnd: "stop"}, "on_end: stop says nothing with pick: random"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewFeed("users", tt.columns, tt.rows, tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFeedAndRow(t *testing.T) {
	f, err := NewFeed("users", []string{"id", "user.name"}, [][]string{{"7", "Ada"}, {"8", ""}}, FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() != 2 || strings.Join(f.Columns(), " ") != "id user.name" {
		t.Errorf("%d rows with columns %q", f.Len(), f.Columns())
	}
	r, err := f.Row(1)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := r.Get("user.name"); v != "" || !ok {
		t.Errorf("an empty value is %q, %v", v, ok)
	}
	if v, ok := r.Get("name"); ok {
		t.Errorf("a column that is not there has the value %q", v)
	}
	if _, ok := (Row{}).Get("id"); ok {
		t.Error("the zero Row has a column")
	}
}

func BenchmarkRow(b *testing.B) {
	f := numbered(b, 1000, FeedOptions{Pick: "random", Seed: rand.Uint64()})
	b.ReportAllocs()
	var i int64
	for b.Loop() {
		if _, err := f.Row(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
