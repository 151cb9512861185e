package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// openState opens the state folder. Without -state it is a new one, and somebody
// is there to remove it should this process not live to do so.
func (l *lab) openState() error {
	if l.state == "" {
		return l.ownDir()
	}
	var err error
	if l.dir, err = filepath.Abs(l.state); err != nil {
		return fmt.Errorf("open state folder: %w", err)
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	if err := l.lockState(); err != nil {
		return err
	}
	text, err := os.ReadFile(l.portsFile())
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &l.ports); err != nil {
			return fmt.Errorf("read the ports of state %s: %w", l.dir, err)
		}
		l.again = true
		return l.ports.confirm(l.options)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read the ports of the state: %w", err)
	}
	// A folder of other things is none of ours.
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("open state folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockName {
			return fmt.Errorf("open state folder: %s has %s in it and is no lab's: name a new folder, or an empty one", l.dir, e.Name())
		}
	}
	return l.choosePorts()
}

const lockName = "lock"

// lockState keeps a second lab from the same state.
func (l *lab) lockState() error {
	lock, err := os.OpenFile(filepath.Join(l.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock state folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("lock state folder: another lab runs on %s", l.dir)
	}
	l.onClose(func() { lock.Close() })
	return nil
}

// ownDir makes a folder that goes with the lab, however it ends.
func (l *lab) ownDir() error {
	var err error
	if l.dir, err = os.MkdirTemp("", "brunt-lab-"); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	// The sweeper's standard input ends when this process does, however it ends.
	sweeper := exec.Command("/bin/sh", "-c", `cat >/dev/null; rm -rf -- "$1"`, "brunt-lab-sweeper", l.dir)
	sweeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not reached by the terminal's Ctrl-C
	in, err := sweeper.StdinPipe()
	if err != nil {
		return fmt.Errorf("start sweeper: %w", err)
	}
	if err := sweeper.Start(); err != nil {
		return fmt.Errorf("start sweeper: %w", err)
	}
	l.children = append(l.children, sweeper.Process.Pid)
	l.onClose(func() { in.Close(); _ = sweeper.Wait() })
	return l.choosePorts()
}

// ports are where the parts of a lab listen. They are part of its state: objects
// in it name some of them.
type ports struct {
	API         int `json:"api"`         // for everybody
	Controllers int `json:"controllers"` // for the lab's own parts
	Loopback    int `json:"loopback"`    // for the API server itself
	Etcd        int `json:"etcd"`
	EtcdPeer    int `json:"etcd_peer"`
	Metrics     int `json:"metrics"`
	Front       int `json:"front"`
	Control     int `json:"control"`
	MeshHook    int `json:"mesh_hook"`
	MeshMetrics int `json:"mesh_metrics"`
	MeshDaemon  int `json:"mesh_daemon"`
}

func (l *lab) portsFile() string { return filepath.Join(l.dir, "ports.json") }

// choosePorts chooses them for a new state.
func (l *lab) choosePorts() error {
	free, err := freePorts(11)
	if err != nil {
		return err
	}
	for i, p := range []*int{&l.ports.API, &l.ports.Controllers, &l.ports.Loopback, &l.ports.Etcd, &l.ports.EtcdPeer, &l.ports.Metrics,
		&l.ports.Front, &l.ports.Control, &l.ports.MeshHook, &l.ports.MeshMetrics, &l.ports.MeshDaemon} {
		*p = free[i]
	}
	for _, p := range []struct {
		wanted int
		is     *int
	}{{l.port, &l.ports.API}, {l.front, &l.ports.Front}, {l.control, &l.ports.Control}} {
		if p.wanted != 0 {
			*p.is = p.wanted
		}
	}
	text, err := json.Marshal(l.ports)
	if err != nil {
		return fmt.Errorf("write ports: %w", err)
	}
	if err := os.WriteFile(l.portsFile(), text, 0o600); err != nil {
		return fmt.Errorf("write ports: %w", err)
	}
	return nil
}

// confirm refuses flags that name other ports than those of the state.
func (p ports) confirm(o options) error {
	for _, c := range []struct {
		flag       string
		wanted, is int
	}{{"port", o.port, p.API}, {"front", o.front, p.Front}, {"control", o.control, p.Control}} {
		if c.wanted != 0 && c.wanted != c.is {
			return fmt.Errorf("-%s %d: the state's is %d; leave the flag out, or name a new -state", c.flag, c.wanted, c.is)
		}
	}
	return nil
}

// Ports are chosen from below those that systems give to outgoing connections:
// a lab that is started again finds its own free.
const lowestPort, highestPort = 20_000, 32_000

func freePorts(n int) ([]int, error) {
	var found []int
	for tries := 0; len(found) < n; tries++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			if tries > 100*n {
				return nil, fmt.Errorf("find a free port: %w", err)
			}
			continue
		}
		defer l.Close() // all are held until all are found
		found = append(found, port)
	}
	return found, nil
}

// listen listens on loopback for a part of the lab.
func listen(what string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, err)
	}
	return l, nil
}

// made is what went wrong with making an object, which is nothing when a lab
// before this one has made it.
func made(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
