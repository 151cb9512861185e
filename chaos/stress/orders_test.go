//go:build linux

package stress

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
)

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   string // fields complained about
	}{
		"good":                          {Config{CPU: &CPU{}, Memory: &Memory{Size: 1}, IO: &IO{Dir: "x"}, Fill: &DiskFill{Dir: "x", Size: 1}}, ""},
		"nothing":                       {Config{}, ""},
		"more than a core":              {Config{CPU: &CPU{Load: 1.01}}, "cpu.load"},
		"hardly any load":               {Config{CPU: &CPU{Load: 0.001}}, "cpu.load"},
		"fewer workers than none":       {Config{CPU: &CPU{Workers: -1}}, "cpu.workers"},
		"no memory":                     {Config{Memory: &Memory{}}, "memory.size"},
		"less memory than none":         {Config{Memory: &Memory{Size: -5, Reserve: -1}}, "memory.reserve memory.size"},
		"no folder":                     {Config{IO: &IO{}, Fill: &DiskFill{Size: 1}}, "disk_fill.dir io.dir"},
		"too many writers":              {Config{IO: &IO{Dir: "x", Workers: 17}}, "io.workers"},
		"too small a file":              {Config{IO: &IO{Dir: "x", Size: 5}}, "io.size"},
		"neither size nor until_free":   {Config{Fill: &DiskFill{Dir: "x"}}, "disk_fill"},
		"both size and until_free":      {Config{Fill: &DiskFill{Dir: "x", Size: 1, UntilFree: 1 << 30}}, "disk_fill"},
		"until_free within the reserve": {Config{Fill: &DiskFill{Dir: "x", UntilFree: 1 << 20}}, "disk_fill.until_free"},
		"until_free at the reserve":     {Config{Fill: &DiskFill{Dir: "x", UntilFree: 1 << 20, Reserve: 1 << 20}}, ""},
	} {
		var fields []string
		test.config.Validate(func(field, _, _ string) { fields = append(fields, field) })
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != test.want {
			t.Errorf("%s: problems with %q, want %q", name, got, test.want)
		}
		if _, err := New(test.config, chaos.Env{}); (err == nil) != (test.want == "" && name != "nothing") {
			t.Errorf("%s: New: %v", name, err)
		}
		if OneShot(test.config) {
			t.Errorf("%s: said to be a one-shot", name)
		}
	}
}

func TestWhat(t *testing.T) {
	for want, config := range map[string]Config{
		"nothing":                                      {},
		"every core busy at 80%":                       {CPU: &CPU{}},
		"1 core busy at 12.5%":                         {CPU: &CPU{Workers: 1, Load: 0.125}},
		"256MiB of memory taken":                       {Memory: &Memory{Size: 256 << 20}},
		"disk busy at /x":                              {IO: &IO{Dir: "/x"}},
		"disk filled at /x with 1.5GiB":                {Fill: &DiskFill{Dir: "/x", Size: 3 << 29}},
		"disk filled at /x until 1000B are":            {Fill: &DiskFill{Dir: "/x", UntilFree: 1000}},
		"2 cores busy at 80% and 1KiB of memory taken": {CPU: &CPU{Workers: 2}, Memory: &Memory{Size: 1024}},
	} {
		if got := What(config); !strings.HasPrefix(got, want) {
			t.Errorf("What = %q, want %q", got, want)
		}
	}
}

func TestGoodID(t *testing.T) {
	for id, want := range map[string]bool{
		"slow-0123456789abcdef":    true,
		"a-b.c_d-0123456789abcdef": true,
		"-0123456789abcdef":        false, // no fault's name
		"slow-0123456789abcde":     false, // too few digits
		"slow-0123456789abcdeg":    false, // no such digit
		"../slow-0123456789abcdef": false, // would lead a file elsewhere
		"a\nb-0123456789abcdef":    false,
		"0123456789abcdef":         false,
		"":                         false,
		strings.Repeat("a", 250) + "-0123456789abcdef": false, // no file can be called that
	} {
		if goodID(id) != want {
			t.Errorf("goodID(%q) = %t", id, !want)
		}
	}
}

// What a helper is started with is what is found again, and nothing else is.
func FuzzArguments(f *testing.F) {
	f.Add("brunt\x00stress\x00brunt-fault:a-0123456789abcdef\x00{}\x00")
	f.Add("brunt\x00stress\x00brunt-fault:../a-0123456789abcdef\x00{}\x00")
	f.Add("grep\x00brunt-fault:\x00")
	f.Add("")
	f.Fuzz(func(t *testing.T, cmdline string) {
		id, data, ok := parseArguments(cmdline)
		if !ok {
			return
		}
		if !goodID(id) || filepath.Base(fileName(id, "fill")) != fileName(id, "fill") {
			t.Errorf("%q has ID %q", cmdline, id)
		}
		again := arguments(chaos.Receipt{ID: id, Data: json.RawMessage(data)})
		if id2, data2, ok := parseArguments("x\x00" + strings.Join(again, "\x00") + "\x00"); !ok || id2 != id || data2 != data {
			t.Errorf("%q became %q, %q, %t", cmdline, id2, data2, ok)
		}
	})
}

// Orders that are taken stay within the caps.
func FuzzOrders(f *testing.F) {
	f.Add([]byte(`{"boot":"b","pid_namespace":"n","ttl_ns":1,"cpu":{"workers":1,"load":0.5}}`))
	f.Add([]byte(`{"boot":"b","pid_namespace":"n","ttl_ns":1,"disk_fill":{"dir":"/x","size_bytes":1},"io":{"dir":"y"}}`))
	f.Add([]byte(`{"boot":"b","pid_namespace":"n","ttl_ns":-1,"memory":{"size_bytes":-1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parse(text)
		if err != nil {
			return
		}
		if o.TTL <= 0 || o.TTL > longestExpiry+expiryMargin {
			t.Errorf("it would live for %s", o.TTL)
		}
		if o.CPU != nil && (o.CPU.Workers < 1 || o.CPU.Load <= 0 || o.CPU.Load > 1) {
			t.Errorf("cpu %+v", *o.CPU)
		}
		if o.IO != nil && (o.IO.Workers < 1 || o.IO.Size < 1 || o.IO.Workers > mostIOWorkers || !filepath.IsAbs(o.IO.Dir)) {
			t.Errorf("io %+v", *o.IO)
		}
		if o.Memory != nil && o.Memory.Size <= 0 {
			t.Errorf("memory %+v", *o.Memory)
		}
	})
}

func FuzzStat(f *testing.F) {
	f.Add("12 (a) b) S 1 12 12 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 1 0 4242 1 1")
	f.Add("12 (")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStat(text); err == nil && s.state == 0 {
			t.Errorf("%q has no state", text)
		}
	})
}

func TestParseStat(t *testing.T) {
	s, err := parseStat("12 (a) b) S 1 12 13 0 -1 4194560 1 0 0 0 7 5 0 0 20 0 1 0 4242 1 1")
	if want := (stat{state: 'S', session: 13, ticks: 12, start: 4242}); err != nil || s != want {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
}

func TestMemoryGroups(t *testing.T) {
	for proc, want := range map[string][]string{
		// Version 2: the group and those around it.
		"0::/a/b\n": {"/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"},
		// In a container, seen from inside.
		"0::/\n": {"/sys/fs/cgroup/memory.max"},
		// From outside its own root.
		"0::/../x\n": {"/sys/fs/cgroup/x/memory.max", "/sys/fs/cgroup/memory.max"},
		// Version 1 beside others.
		"5:cpu:/a\n4:memory:/a\n": {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
		"nonsense\n":              nil,
	} {
		var got []string
		for _, g := range memoryGroups(proc) {
			got = append(got, g.limit)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", proc, got, want)
		}
	}
}

func TestAffordable(t *testing.T) {
	have := func(n int64) func() (int64, error) { return func() (int64, error) { return n, nil } }
	free := func(string) (int64, error) { return 1000, nil }
	for name, test := range map[string]struct {
		orders orders
		ok     bool
	}{
		"memory within the reserve":      {orders{Memory: &Memory{Size: 60, Reserve: 40}}, true},
		"memory past the reserve":        {orders{Memory: &Memory{Size: 61, Reserve: 40}}, false},
		"a fill within the reserve":      {orders{Fill: &DiskFill{Size: 600, Reserve: 400}}, true},
		"a fill past the reserve":        {orders{Fill: &DiskFill{Size: 601, Reserve: 400}}, false},
		"a fill and writers together":    {orders{Fill: &DiskFill{Size: 600, Reserve: 400}, IO: &IO{Size: 1, Workers: 1}}, false},
		"more than can be counted":       {orders{IO: &IO{Size: 1 << 62, Workers: 16}}, false},
		"until as much as is free":       {orders{Fill: &DiskFill{UntilFree: 1000}}, false},
		"until less than is free":        {orders{Fill: &DiskFill{UntilFree: 999}}, true},
		"more workers than cores":        {orders{CPU: &CPU{Workers: 1 << 20}}, false},
		"sizes that overflow when added": {orders{IO: &IO{Size: 100, Workers: 1}, Fill: &DiskFill{Size: 1<<63 - 1}}, false},
	} {
		if err := test.orders.affordable(have(100), free); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
