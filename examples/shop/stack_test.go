package shop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience bounds what a test waits for; it is never what a test measures.
const patience = 30 * time.Second

func startStack(t *testing.T, o Options) *Stack {
	t.Helper()
	var logs bytes.Buffer
	o.Stderr = &logs
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, logs.String())
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// eventually waits until look has nothing to complain about.
func eventually(t *testing.T, look func() error) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func pidOf(s *Stack, name string) (int, error) {
	text, err := os.ReadFile(s.Processes()[name])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
}

func mustPid(t *testing.T, s *Stack, name string) (pid int) {
	t.Helper()
	eventually(t, func() (err error) {
		pid, err = pidOf(s, name)
		return err
	})
	return pid
}

func (s *Stack) look(t *testing.T) (st status, err error) {
	client := newClient(time.Second)
	defer client.CloseIdleConnections()
	err = getJSON(t.Context(), client, s.Vars()["status"], &st)
	return st, err
}

// goneAll fails unless no process of the stack lives, now or in a moment.
func goneAll(t *testing.T, group int) {
	t.Helper()
	eventually(t, func() error {
		left, err := groupMembers(group)
		if err == nil && len(left) > 0 {
			err = errors.New("left: " + left[0].String())
		}
		return err
	})
}

func TestStackServes(t *testing.T) {
	t.Parallel()
	s := startStack(t, quick(t.TempDir()))
	client := newClient(5 * time.Second)
	defer client.CloseIdleConnections()

	var list struct{ Items []product }
	if err := getJSON(t.Context(), client, s.Vars()["url"]+"/products?page=2", &list); err != nil {
		t.Fatal(err)
	}
	if got := list.Items[0].SKU; got != "sku-0011" {
		t.Errorf("first of page 2: %s, want sku-0011", got)
	}
	var one product
	if err := getJSON(t.Context(), client, s.Vars()["url"]+"/products/sku-0011", &one); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list.Items[0], one); diff != "" {
		t.Error(diff)
	}
	// The whole way through lb and replica to payments, without a proxy.
	resp, err := client.Post(s.Vars()["url"]+"/cart", "application/json", strings.NewReader(`{"sku":"sku-0011"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("POST /cart: %s, want 201", resp.Status)
	}
	if st, err := s.look(t); err != nil || st.Ready != 2 || st.Replicas != 2 || st.Desired != 2 {
		t.Errorf("status %+v, %v; want 2 replicas, ready and desired", st, err)
	}
}

func TestStackNames(t *testing.T) {
	t.Parallel()
	s := startStack(t, Options{Exe: os.Args[0], Dir: t.TempDir()})
	vars, processes := s.Vars(), s.Processes()
	for _, name := range VarNames() {
		if vars[name] == "" {
			t.Errorf("no variable %s", name)
		}
		delete(vars, name)
	}
	for _, name := range ProcessNames() {
		if processes[name] == "" {
			t.Errorf("no process %s", name)
		}
		delete(processes, name)
	}
	if len(vars)+len(processes) > 0 {
		t.Errorf("not announced: %v %v", vars, processes)
	}
	for _, name := range []string{"lb", "autoscaler", "payments", "shop-1", "shop-2"} {
		if err := syscall.Kill(mustPid(t, s, name), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is killed comes back under its name, and the shop serves again.
func TestStackReplacesWhatIsKilled(t *testing.T) {
	t.Parallel()
	s := startStack(t, quick(t.TempDir()))
	client := newClient(5 * time.Second)
	defer client.CloseIdleConnections()
	for _, name := range []string{"shop-2", "payments", "lb", "autoscaler"} {
		was := mustPid(t, s, name)
		if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			pid, err := pidOf(s, name)
			if err != nil {
				return err
			}
			if pid == was {
				return errors.New(name + " still has its pid")
			}
			st, err := s.look(t)
			if err == nil && st.Ready != 2 {
				err = errors.New("not ready after " + name)
			}
			if err == nil {
				err = getJSON(t.Context(), client, s.Vars()["url"]+"/products", nil)
			}
			return err
		})
	}
}

// A stopped replica is out, and in again once it goes on.
func TestStackTakesOutStoppedReplica(t *testing.T) {
	t.Parallel()
	s := startStack(t, quick(t.TempDir()))
	pid := mustPid(t, s, "shop-1")
	for _, step := range []struct {
		signal syscall.Signal
		ready  int
	}{{syscall.SIGSTOP, 1}, {syscall.SIGCONT, 2}} {
		if err := syscall.Kill(pid, step.signal); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			st, err := s.look(t)
			if err == nil && st.Ready != step.ready {
				err = errors.New("ready: " + strconv.Itoa(st.Ready))
			}
			return err
		})
	}
}

func TestStopEndsEverything(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		hurt string // the process that does not run at the time
		sig  syscall.Signal
	}{
		{name: "all is well"},
		{"a stopped replica", "shop-1", syscall.SIGSTOP},
		{"a stopped autoscaler", "autoscaler", syscall.SIGSTOP},
		{"a stopped keeper cannot kill the others", "keeper", syscall.SIGSTOP},
		{"a killed keeper does not either", "keeper", syscall.SIGKILL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startStack(t, quick(t.TempDir()))
			if tt.hurt != "" {
				pid := s.keeper.pid()
				if tt.hurt != nameKeeper {
					pid = mustPid(t, s, tt.hurt)
				}
				if err := syscall.Kill(pid, tt.sig); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // idempotent
				if err := s.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if left, err := groupMembers(s.keeper.pid()); err != nil || len(left) > 0 {
				t.Errorf("left after Stop: %v, %v", left, err)
			}
			if files, _ := filepath.Glob(filepath.Join(s.layout.Dir, "pids", "*")); len(files) > 0 {
				t.Errorf("pid files left: %v", files)
			}
		})
	}
}

// The caller of Start is killed, and one replica is stopped at the time.
func TestEverythingEndsWithItsOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "owner", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pids", "shop-1.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	goneAll(t, group)
}

func TestStartFails(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	soon, cancelSoon := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelSoon()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		ctx  context.Context
		o    Options
		want string
	}{
		{"no program", t.Context(), Options{Dir: t.TempDir()}, "no program"},
		{"no folder", t.Context(), Options{Exe: os.Args[0]}, "no folder"},
		{"more at least than at most", t.Context(), Options{Exe: "x", Dir: "x", Min: 3, Max: 2}, "3 to 2 replicas"},
		{"too many replicas", t.Context(), Options{Exe: "x", Dir: "x", Max: 65}, "at most 64"},
		{"a target nothing can reach", t.Context(), Options{Exe: "x", Dir: "x", Target: 1.5}, "target 1.5"},
		{"a negative number of slots", t.Context(), Options{Exe: "x", Dir: "x", Slots: -1}, "-1 slots"},
		{"a folder that is a file", t.Context(), quick(file), "not a directory"},
		{"a program that is not there", t.Context(), Options{Exe: "/nowhere", Dir: t.TempDir()}, "no such file"},
		{"a program that ends at once", t.Context(), Options{Exe: "/bin/true", Dir: t.TempDir()}, "ended early"},
		{"canceled before", canceled, quick(t.TempDir()), "canceled"},
		{"out of time half-way", soon, quick(t.TempDir()), "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Start(tt.ctx, tt.o)
			if err == nil {
				t.Fatal("started", s.Stop(context.Background()))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if !strings.HasPrefix(err.Error(), "start the shop: ") {
				t.Errorf("%q does not say what failed", err)
			}
		})
	}
}
