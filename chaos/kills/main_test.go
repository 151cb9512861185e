//go:build e2e && linux

package kills

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	update  = flag.Bool("update", false, "write KILLS.md anew")
	kills   = flag.Int("kills", 200, "how many random kills TestE2ERandomKills does")
	seed    = flag.Uint64("killseed", 2, "decides who is killed and when")
	players = flag.Int("players", 6, "how many cells are played at once")
	only    = flag.String("only", "", "play cells alone whose name holds this")
)

// number numbers what needs a name of its own on this machine.
var number atomic.Int64

func TestMain(m *testing.M) {
	flag.Parse()
	if role := os.Getenv(roleVariable); role != "" {
		if err := playRole(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "brunt-kills")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	built = dir
	defer os.RemoveAll(dir)
	defer func() {
		if started == nil {
			return
		}
		if err := started.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "end dockerd:", err)
			code = 1
		}
	}()
	return m.Run()
}

// needRoot fails a test that is not root's: what is in a cluster needs none.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("it mounts, and makes network namespaces: root is needed")
	}
}

// together plays n games, some at a time, each as a test of its own.
func together(t *testing.T, n int, name func(int) string, play func(*testing.T, int)) {
	t.Helper()
	todo := make(chan int)
	var playing sync.WaitGroup
	for range *players {
		playing.Go(func() {
			for i := range todo {
				t.Run(name(i), func(t *testing.T) { play(t, i) })
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	playing.Wait()
}

// eventually waits for what must come, up to a bound that is no expectation.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	within(t, 20*time.Second, what, happened)
}

// within waits for what must come within a bound.
func within(t *testing.T, bound time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}
