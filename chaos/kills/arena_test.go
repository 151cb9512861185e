//go:build e2e && linux

package kills

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An arena is a target of one kind that one cell has to itself, and its oracle.
type arena struct {
	hosts []string // beside the load's
	in    string   // more of the scenario's target
	fault string   // in the scenario's language
	load  string   // where the load goes; empty: to a server of its own
	// look is the system's own state, as its own tools tell it. Lines that begin
	// with "target " are about the target's own life.
	look func() string
	// targets are the processes that the fault is about.
	targets func() []int
	// helpers are the processes that do the fault's work.
	helpers func() []int

	kubeconfig string        // of the cluster that the target is in
	slack      time.Duration // what mending may take beyond what it may on the machine
}

// An arenaOf makes arenas of a kind.
type arenaOf struct {
	kind string
	make func(*testing.T, *cell) *arena
}

// arenas by kind, in the order of the table: those on the machine itself.
var arenas = []arenaOf{
	{"process", processArena}, {"stress", stressArena}, {"proxy", proxyArena}, {"network", networkArena}, {"dns", dnsArena},
	{"clock", clockArena}, {"docker", dockerArena}, {"exec", execArena}, {"http", httpArena},
}

// noTarget and noHelper are kinds without such a process, and why.
var (
	noTarget = map[string]string{"stress": "the target is the machine", "exec": "the target here is a file"}
	noHelper = map[string]string{
		"process": "signals need none", "clock": "the file needs none", "docker": "the engine is the target's own",
		"exec": "the commands end by themselves", "http": "the calls need none",
	}
)

func processArena(t *testing.T, c *cell) *arena {
	victim := play(t, "web")
	_, port, _ := net.SplitHostPort(victim.address)
	return &arena{
		fault:   fmt.Sprintf("process: { pause: { port: %s } }", port),
		targets: func() []int { return []int{victim.pid()} },
		look: func() string {
			return fmt.Sprintf("target %d %s\n", victim.pid(), condition(victim.pid())) + limitsOf(victim.pid())
		},
	}
}

// condition is running, stopped or gone.
func condition(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(text), ") ")
	switch {
	case err != nil || !ok || strings.ContainsRune("ZX", rune(rest[0])):
		return "gone"
	case strings.ContainsRune("Tt", rune(rest[0])):
		return "stopped"
	}
	return "running"
}

// limitsOf is what limits a process: its cgroups, its niceness, its limits.
func limitsOf(pid int) string {
	if condition(pid) == "gone" {
		return ""
	}
	var text strings.Builder
	for _, name := range []string{"cgroup", "limits"} {
		content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		for line := range strings.Lines(string(content)) {
			text.WriteString("target " + line)
		}
	}
	return text.String()
}

func stressArena(t *testing.T, c *cell) *arena {
	dir, disk := filepath.Join(c.dir, "disk"), filepath.Join(c.dir, "io")
	tmpfs(t, dir, "160m")
	if err := os.Mkdir(disk, 0o700); err != nil { // not in memory: there must be a disk to keep busy
		t.Fatal(err)
	}
	helpers := func() []int {
		return matching(func(words []string, _ []byte) bool {
			return len(words) > 3 && words[1] == "stress" && strings.Contains(words[3], dir)
		})
	}
	return &arena{
		fault:   fmt.Sprintf("stress: { memory: { size: 16MiB }, disk_fill: { dir: %q, size: 16MiB, reserve: 64MiB }, io: { dir: %q, size: 1MiB, reserve: 64MiB } }", dir, disk),
		helpers: helpers,
		look: func() string {
			var free syscall.Statfs_t
			if err := syscall.Statfs(dir, &free); err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%d helpers\n%d blocks free\nfiles %s %s\n", len(helpers()), free.Bfree, listed(dir), listed(disk))
		},
	}
}

// tmpfs mounts a file system of its own.
func tmpfs(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("kills", dir, "tmpfs", 0, "size="+size+",mode=700"); err != nil {
		t.Fatalf("mount a tmpfs: %v: root is needed", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// listed are the names in a folder.
func listed(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// slowness is the latency of the proxy's fault.
const slowness = 200 * time.Millisecond

func proxyArena(t *testing.T, c *cell) *arena {
	upstream, listen := play(t, "web"), freePort(t)
	return &arena{
		hosts: []string{listen, upstream.address}, load: listen,
		in:      fmt.Sprintf("proxies: { web: { listen: %q, upstream: %q } }", listen, upstream.address),
		fault:   fmt.Sprintf("proxy: { on: web, latency: %s }", slowness),
		targets: func() []int { return []int{upstream.pid()} },
		helpers: func() []int { return c.processes("proxy") },
		look: func() string {
			return "proxy: " + c.boxState("proxies", "web", "toxics") + "\n" + latency(listen)
		},
	}
}

// boxState asks a proxy or a resolver for what is set on it, by its control
// socket; "nothing" where none is there.
func (c *cell) boxState(folder, name, list string) string {
	text, err := os.ReadFile(filepath.Join(c.run, folder, name+".json"))
	if err != nil {
		return "nothing"
	}
	var control struct{ Control, Token string }
	if err := json.Unmarshal(text, &control); err != nil {
		return err.Error()
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+control.Control+"/boxes/"+name, nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+control.Token)
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil && strings.Contains(err.Error(), "connection re") {
		return "nothing" // it is dead, and what it had with it
	}
	if err != nil {
		return "no answer"
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	var state map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &state) != nil {
		return "no answer"
	}
	if set := string(state[list]); set != "null" && set != "[]" {
		return set
	}
	return "nothing"
}

// latency says whether a round trip is slow. Nobody there is not slow.
func latency(address string) string {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		return ""
	}
	_ = response.Body.Close()
	if time.Since(began) >= slowness {
		return "slow\n"
	}
	return ""
}

func networkArena(t *testing.T, c *cell) *arena {
	near, far := namespaces(t)
	play(t, "echo", "ip", "netns", "exec", far)
	pinger := play(t, "pings", "ip", "netns", "exec", near)
	return &arena{
		fault:   fmt.Sprintf("network: { netns: %q, to: [%q], delay: 20ms, rate: 10MiB/s, loss: 10%% }", near, farAddress),
		targets: func() []int { return []int{pinger.pid()} },
		helpers: func() []int { return c.processes("network") },
		look: func() string {
			return output("nft", near, "-j", "list", "ruleset") + output("tc", near, "-j", "qdisc", "show") +
				fmt.Sprintf("%d helpers\n", len(c.processes("network"))) + oursIn(near)
		},
	}
}

// output is what a tool prints in a namespace, without counters.
func output(tool, namespace string, args ...string) string {
	words := append([]string{"netns", "exec", namespace, tool}, args...)
	out, err := exec.Command("ip", words...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v: %s\n", tool, err, out)
	}
	return string(out) + "\n"
}

// oursIn lists sockets and queues with marks of ours in a namespace.
func oursIn(namespace string) string {
	text := ""
	for line := range strings.Lines(output("cat", namespace, "/proc/net/unix")) {
		if strings.Contains(line, "brunt") {
			text += line
		}
	}
	queues := output("cat", namespace, "/proc/net/netfilter/nfnetlink_queue")
	if !strings.Contains(queues, "No such file") {
		text += queues
	}
	return text
}

// namespaces makes two of them, joined by a pair of virtual interfaces, with a
// folder of the first one's own for names.
func namespaces(t *testing.T) (near, far string) {
	t.Helper()
	base := fmt.Sprintf("brunt-kills-%d-%d", os.Getpid(), number.Add(1))
	near, far = base+"a", base+"b"
	run := func(args ...string) {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	for _, name := range []string{near, far} {
		run("netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	}
	run("-n", near, "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", far)
	for _, end := range [][3]string{{near, "near0", nearAddress}, {far, "far0", farAddress}} {
		run("-n", end[0], "address", "add", end[2]+"/24", "dev", end[1])
		run("-n", end[0], "link", "set", "lo", "up")
		run("-n", end[0], "link", "set", end[1], "up")
	}
	return near, far
}

func dnsArena(t *testing.T, c *cell) *arena {
	upstream, listen := play(t, "names"), freePort(t)
	return &arena{
		hosts:   []string{listen, upstream.address},
		in:      fmt.Sprintf("resolvers: { names: { listen: %q, upstream: %q } }", listen, upstream.address),
		fault:   `dns: { on: names, names: ["*"], fail: nxdomain }`,
		targets: func() []int { return []int{upstream.pid()} },
		helpers: func() []int { return c.processes("resolver") },
		look: func() string {
			text := "resolver: " + c.boxState("resolvers", "names", "rules") + "\n"
			if resolve(listen) == "RCodeNameError" {
				text += "forged\n"
			}
			return text
		},
	}
}

func clockArena(t *testing.T, c *cell) *arena {
	dir := filepath.Join(c.dir, "clock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "time")
	exe, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command(exe, "clock-run", "--file", file, "--", "sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	eventually(t, "clock-run has become sleep", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", sleeper.Process.Pid))
		return strings.TrimSpace(string(name)) == "sleep"
	})
	return &arena{
		fault:   fmt.Sprintf("clock: { file: %q, offset: -2h }", file),
		targets: func() []int { return []int{sleeper.Process.Pid} },
		look: func() string {
			content, err := os.ReadFile(file)
			if err != nil {
				return err.Error()
			}
			out, err := exec.Command(exe, "clock-run", "--file", file, "--", "date", "+%s").Output()
			seconds, parsed := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil || parsed != nil {
				return fmt.Sprint(err, parsed)
			}
			off := time.Until(time.Unix(seconds, 0)).Round(time.Minute)
			return fmt.Sprintf("file %q\nfolder %s\na process's clock is %s off\n", content, listed(dir), off)
		},
	}
}

func execArena(t *testing.T, c *cell) *arena {
	file := filepath.Join(c.dir, "broken")
	return &arena{
		// It breaks in two steps, so that it can be killed between them.
		fault: fmt.Sprintf(`exec: { inject: [sh, -c, "echo half > %[1]s; sleep 0.1; echo whole > %[1]s"], undo: [rm, -f, %[1]s], verify: [test, -s, %[1]s] }`, file),
		look: func() string {
			content, _ := os.ReadFile(file)
			return fmt.Sprintf("file %q\n%d commands\n", content, len(matching(func(words []string, environ []byte) bool {
				return strings.Contains(strings.Join(words, " "), file)
			})))
		},
	}
}

func httpArena(t *testing.T, c *cell) *arena {
	flags := play(t, "flags")
	url := "http://" + flags.address + "/slow"
	return &arena{
		hosts:   []string{flags.address},
		fault:   fmt.Sprintf(`http: { inject: { put: %[1]q }, undo: { delete: %[1]q }, verify: { get: %[1]q, active: { json: { $.on: true } }, gone: { json: { $.on: false } } } }`, url),
		targets: func() []int { return []int{flags.pid()} },
		look: func() string {
			response, err := (&http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
			if err != nil {
				return "target does not answer\n"
			}
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			return "target says " + string(text) + "\n"
		},
	}
}

// matching are the processes whose command line and environment fit.
func matching(fits func(words []string, environ []byte) bool) []int {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []int
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || len(line) == 0 {
			continue // it ended just now, or is a zombie
		}
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && fits(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), environ) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}

// freePort is an address on loopback that nobody listens on, below the ports
// that the kernel gives to those who do not ask for one.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+number.Add(1)%10000)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
