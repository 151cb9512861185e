package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// commandBound is how long nft or tc may take.
const commandBound = 10 * time.Second

// packages are what to install for a command, by its name.
var packages = map[string]string{"nft": "nftables", "tc": "iproute2"}

// errMissing marks a command that is not installed.
var errMissing = errors.New("missing")

// tool finds a command, also where the PATH of people who are not root does
// not lead.
func tool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the command %s is %w: install the package %s", name, errMissing, packages[name])
}

// command runs nft or tc on the calling thread, so in the namespace that the
// thread is in, and returns what it printed.
func command(ctx context.Context, input, name string, args ...string) ([]byte, error) {
	path, err := tool(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandBound)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, &commandError{command: name + " " + strings.Join(args, " "), said: said(complaint.String()), err: err}
	}
	return out.Bytes(), nil
}

// commandError is a command that failed.
type commandError struct {
	command, said string
	err           error
}

func (e *commandError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("%s: %v", e.command, e.err)
	}
	return fmt.Sprintf("%s: %s", e.command, e.said)
}

func (e *commandError) Unwrap() error { return e.err }

// said is the first line of a complaint: the others repeat the command.
func said(complaint string) string {
	for line := range strings.Lines(complaint) {
		if line = strings.TrimSpace(line); line != "" {
			if _, text, ok := strings.Cut(line, "Error: "); ok {
				return text
			}
			return line
		}
	}
	return ""
}

// nft runs nft in the namespace.
func (p *place) nft(ctx context.Context, input string, args ...string) ([]byte, error) {
	return p.run(ctx, input, "nft", args...)
}

// tc runs tc in the namespace.
func (p *place) tc(ctx context.Context, args ...string) ([]byte, error) {
	return p.run(ctx, "", "tc", args...)
}

func (p *place) run(ctx context.Context, input, name string, args ...string) (out []byte, err error) {
	err = p.do(ctx, func() error {
		out, err = command(ctx, input, name, args...)
		return err
	})
	return out, err
}

// tables are the marks of our tables in the namespace.
func (p *place) tables(ctx context.Context) ([]string, error) {
	text, err := p.nft(ctx, "", "-j", "list", "tables")
	if err != nil {
		return nil, err
	}
	return parseTables(text)
}

// qdiscs are those of all interfaces in the namespace.
func (p *place) qdiscs(ctx context.Context) ([]qdisc, error) {
	text, err := p.tc(ctx, "-s", "-j", "qdisc", "show")
	if err != nil {
		return nil, err
	}
	return parseQdiscs(text)
}

// interfaces are those of the namespace.
func (p *place) interfaces(ctx context.Context) (all []net.Interface, err error) {
	err = p.do(ctx, func() error {
		all, err = net.Interfaces()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces of %s: %w", p.id, err)
	}
	return all, nil
}

// capable says whether this process has a capability, by its number.
func capable(number uint) (bool, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return false, fmt.Errorf("read own capabilities: %w", err)
	}
	set, err := effectiveCapabilities(string(text))
	return set&(1<<number) != 0, err
}

// effectiveCapabilities reads the text of /proc/PID/status.
func effectiveCapabilities(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("read own capabilities: %w", err)
			}
			return set, nil
		}
	}
	return 0, errors.New("read own capabilities: not found in /proc")
}

// errAdmin and errSystemAdmin say what an unprivileged user lacks.
var (
	errAdmin       = errors.New("CAP_NET_ADMIN is missing: run brunt as root, or give it that capability")
	errSystemAdmin = errors.New("CAP_SYS_ADMIN is missing: run brunt as root, or give it that capability")
)

// throwAway calls fn in a fresh namespace that vanishes afterwards, with all
// that fn has set up in it.
func throwAway(fn func() error) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			if errors.Is(err, unix.EPERM) {
				err = errSystemAdmin
			}
			return fmt.Errorf("make a namespace to try things in: %w", err)
		}
		return fn()
	})
}
