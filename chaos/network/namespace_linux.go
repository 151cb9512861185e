package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namedNamespaces is where ip netns keeps them.
	namedNamespaces = "/run/netns"
	// ownNamespace is that of the thread that asks. Not /proc/self: that is the
	// first thread's.
	ownNamespace = "/proc/thread-self/ns/net"
)

// errNoNamespace says that the very namespace meant is not there any more, and
// all that was in it gone with it.
var errNoNamespace = errors.New("the network namespace is gone")

// A place is an open namespace.
type place struct {
	id   namespace
	file *os.File
	own  bool // it is the one that brunt runs in
}

func (p *place) close() { _ = p.file.Close() }

// openPlace opens the namespace at a path.
func openPlace(ctx context.Context, path, name string) (*place, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	p := &place{file: file, id: namespace{Path: path, Name: name}}
	if err := p.identify(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *place) identify(ctx context.Context) error {
	var there, here unix.Stat_t
	if err := unix.Fstat(int(p.file.Fd()), &there); err != nil {
		return fmt.Errorf("look at network namespace %s: %w", p.id.Path, err)
	}
	if err := unix.Stat(ownNamespace, &here); err != nil {
		return fmt.Errorf("look at own network namespace: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(p.file.Fd()), &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return fmt.Errorf("open network namespace: %s is no namespace", p.id.Path)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	p.own = there.Dev == here.Dev && there.Ino == here.Ino
	p.id.Device, p.id.Inode, p.id.Boot = there.Dev, there.Ino, strings.TrimSpace(string(boot))
	return p.do(ctx, func() error {
		p.id.Cookie = namespaceCookie()
		return nil
	})
}

// namespaceCookie is the kernel's number for the calling thread's namespace; 0
// before Linux 5.14.
func namespaceCookie() uint64 {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

// do calls fn in the namespace, on a thread of its own, and waits for it. The
// thread ends with the call, so that no other goroutine ever finds itself in
// the wrong namespace; sockets made and processes started by fn stay in it.
func (p *place) do(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("enter %s: %w", p.id, err)
	}
	if p.own {
		return fn()
	}
	return onThread(func() error {
		if err := unix.Setns(int(p.file.Fd()), unix.CLONE_NEWNET); err != nil {
			if errors.Is(err, unix.EPERM) {
				err = errSystemAdmin
			}
			return fmt.Errorf("enter %s: %w", p.id, err)
		}
		return fn()
	})
}

// onThread calls fn on a thread that is thrown away afterwards. Never on the
// process's first: that one cannot end, and /proc shows its namespaces as the
// process's.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- onThread(fn)
			runtime.UnlockOSThread()
			return
		}
		done <- fn()
	}()
	return <-done
}

// locate finds the namespace that a scenario means.
func locate(ctx context.Context, netns string) (*place, error) {
	switch {
	case netns == "":
		return openPlace(ctx, ownNamespace, "")
	case strings.HasPrefix(netns, "/"):
		return openPlace(ctx, netns, netns)
	}
	p, err := openPlace(ctx, filepath.Join(namedNamespaces, netns), netns)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("find network namespace %s: %w; ip netns lists those with names", netns, os.ErrNotExist)
	}
	return p, err
}

// reopen finds a namespace again, wherever it is now; errNoNamespace when it
// exists nowhere any more.
func reopen(ctx context.Context, id namespace) (*place, error) {
	var found *place
	err := eachPlace(ctx, []string{id.Path}, func(p *place) (keep, more bool) {
		if p.id.same(id) {
			found = p
			return true, false
		}
		return false, true
	})
	switch {
	case found != nil:
		if id.Name != "" {
			found.id.Name = id.Name
		}
		return found, nil
	case err != nil:
		return nil, err
	default:
		return nil, errNoNamespace
	}
}

// eachPlace calls visit with every network namespace there is, once: at the
// given paths, brunt's own, those with names, those of processes. Visit says
// whether it keeps the place open and whether it wants more. What cannot be
// opened because it vanished is left out; what cannot be opened for another
// reason is the error, once all others have been visited.
func eachPlace(ctx context.Context, first []string, visit func(*place) (keep, more bool)) error {
	named, _ := filepath.Glob(filepath.Join(namedNamespaces, "*")) // fails on bad patterns alone
	tasks, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	paths := slices.Concat(first, []string{ownNamespace}, named, tasks)

	type key struct{ device, inode uint64 }
	seen := map[key]bool{}
	privileged := true
	for _, number := range []uint{unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE} {
		ok, err := capable(number)
		if err != nil {
			return err
		}
		privileged = privileged && ok
	}
	var unreadable error
	for _, path := range paths {
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil {
			vanished := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
			hidden := privileged && errors.Is(err, os.ErrPermission)
			if !vanished && !hidden && unreadable == nil {
				unreadable = fmt.Errorf("look for network namespaces: %s: %w", path, err)
			}
			continue
		}
		if seen[key{stat.Dev, stat.Ino}] {
			continue
		}
		name := ""
		if filepath.Dir(path) == namedNamespaces {
			name = filepath.Base(path)
		}
		p, err := openPlace(ctx, path, name)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) && !notNamespace(path) && unreadable == nil {
				unreadable = err
			}
			continue
		}
		seen[key{stat.Dev, stat.Ino}] = true
		keep, more := visit(p)
		if !keep {
			p.close()
		}
		if !more {
			return nil
		}
	}
	return unreadable
}

// notNamespace says whether a path is that of a plain file: ip netns leaves
// such behind when it is interrupted.
func notNamespace(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type != unix.NSFS_MAGIC
}
