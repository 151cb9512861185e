//go:build unix

package proxy_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/middlebox"
	"github.com/brunt-dev/brunt/chaos/proxy"
)

// bruntVariable makes the test binary a brunt that starts a proxy in front of
// the given upstream, injects a blackhole, tells its receipt and the proxy's
// address, and waits to be killed.
const bruntVariable = "BRUNT_PROXY_TEST_UPSTREAM"

// A story is what such a brunt tells.
type story struct {
	Address string
	File    string
	Receipt chaos.Receipt
}

func brunt(upstream string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "brunt-proxy-test-")
	if err != nil {
		return err
	}
	ctx, cancel := bruntContext()
	defer cancel()
	p, files, err := proxy.Start(ctx, exe, dir, map[string]middlebox.Endpoint{"payments": {Listen: "127.0.0.1:0", Upstream: upstream}})
	if err != nil {
		return err
	}
	if err := p.PassFor(time.Hour); err != nil {
		return err
	}
	fault, err := proxy.New(proxy.Config{On: "payments", Blackhole: true}, chaos.Env{Fault: "dark", Proxies: files})
	if err != nil {
		return err
	}
	receipt, err := fault.Prepare(ctx)
	if err != nil {
		return err
	}
	if err := fault.Inject(ctx, receipt); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(story{p.Address("payments"), files["payments"], receipt}); err != nil {
		return err
	}
	select {} // until it is killed
}

// The promise itself: brunt is killed in the middle of a fault, and what stood
// on its proxy works again.
func TestOrphan(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(bounded(t), exe)
	cmd.Env = append(os.Environ(), bruntVariable+"="+echo(t))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var told story
	if err := json.Unmarshal(line, &told); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(told.File)) })
	control, err := proxy.ReadControl(told.File)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(control.Pid, syscall.SIGKILL) }) // should the test fail early
	if mine, its := session(t, os.Getpid()), session(t, control.Pid); mine == its {
		t.Errorf("the proxy is in brunt's session %d: a terminal's signals reach it", its)
	}

	conn := dial(t, told.Address)
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "held"); err != nil {
		t.Fatal(err)
	}
	if state, err := chaos.Await(bounded(t), proxy.Mend(), told.Receipt, chaos.Active); state != chaos.Active {
		t.Fatalf("verify: %s, %v", state, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "held" {
		t.Fatalf("after brunt's death: %q, %v", got, err)
	}
	state, err := control.State(bounded(t))
	if err != nil || !state.Orphan || len(state.Toxics) != 0 {
		t.Errorf("state %+v, %v", state, err)
	}
	if seen, err := chaos.Await(bounded(t), proxy.Mend(), told.Receipt, chaos.Gone); seen != chaos.Gone {
		t.Errorf("verify: %s, %v", seen, err)
	}
	// It breaks nothing any more, not even for who has its key.
	if err := proxy.Mend().Inject(bounded(t), told.Receipt); err == nil || !strings.Contains(err.Error(), "its brunt is gone") {
		t.Errorf("inject after brunt's death: %v", err)
	}
	// It ends like any other process when it is told to.
	if err := syscall.Kill(control.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(got); err == nil {
		t.Errorf("received %d bytes; want the end of the connection", n)
	} else if os.IsTimeout(err) {
		t.Errorf("the proxy does not end: %v", err)
	}
	if err := proxy.Mend().Undo(bounded(t), told.Receipt); err != nil {
		t.Errorf("undo after the proxy's end: %v", err)
	}
}

func session(t *testing.T, pid int) int {
	t.Helper()
	sid, err := unix.Getsid(pid)
	if err != nil {
		t.Fatal(err)
	}
	return sid
}
