package docker_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeEngine is a stand-in for a Docker Engine on a real unix socket, as far
// as this package speaks to one. Its answers, status codes and messages are
// those that 20.10 was seen to give; TestE2E in this folder asks the real one
// the same.
type fakeEngine struct {
	host string

	mu         sync.Mutex
	now        int // StartedAt moves on with each start
	containers []*fakeContainer
	networks   map[string]string // id to name
	free       bool              // networks have subnets of the user's choice
	broken     string            // a verb that fails with 500
	calls      []string          // what changed something
}

type fakeContainer struct {
	id, name        string
	created         time.Time
	labels          map[string]string
	running, paused bool
	autoRemove      bool
	started         int
	exit            int
	memory, swap    int64
	nano            int64
	quota, period   int64
	networks        map[string]*fakePlace // by network id
}

type fakePlace struct {
	asked   map[string]any // EndpointConfig, as it came
	address string
}

func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// startFake starts an engine with a network called backend.
func startFake(t testing.TB) *fakeEngine {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	f := &fakeEngine{host: "unix://" + socket, networks: map[string]string{newID(): "backend"}, free: true}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: f.handler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-done
	})
	return f
}

// run makes a running container on network backend.
func (f *fakeEngine) run(name string, labels map[string]string) *fakeContainer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now++
	c := &fakeContainer{
		id: newID(), name: name, labels: labels, running: true, started: f.now,
		created: time.Unix(int64(f.now), 0).UTC(), networks: map[string]*fakePlace{},
	}
	c.networks[f.network("backend")] = &fakePlace{asked: map[string]any{"Aliases": []any{"db"}}, address: fmt.Sprintf("172.18.0.%d", len(f.containers)+2)}
	f.containers = append(f.containers, c)
	return c
}

// change does something to the engine's state.
func (f *fakeEngine) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fakeEngine) network(name string) string {
	for id, has := range f.networks {
		if has == name {
			return id
		}
	}
	return ""
}

func (f *fakeEngine) find(name string) *fakeContainer {
	for _, c := range f.containers {
		if c.id == name || c.name == name || len(name) >= 4 && strings.HasPrefix(c.id, name) {
			return c
		}
	}
	return nil
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	say(w, status, map[string]string{"message": fmt.Sprintf(format, args...)})
}

func (f *fakeEngine) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		_, _ = w.Write([]byte("OK"))
	})
	mux.HandleFunc("GET /v1.41/containers/json", f.list)
	mux.HandleFunc("GET /v1.41/containers/{name}/json", f.with(func(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
		say(w, http.StatusOK, f.describe(c))
	}))
	mux.HandleFunc("POST /v1.41/containers/{name}/{verb}", f.with(f.do))
	mux.HandleFunc("GET /v1.41/networks/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		name, ok := f.networks[r.PathValue("id")]
		if !ok {
			refuse(w, http.StatusNotFound, "network %s not found", r.PathValue("id"))
			return
		}
		say(w, http.StatusOK, map[string]string{"Name": name, "Id": r.PathValue("id")})
	})
	mux.HandleFunc("POST /v1.41/networks/{id}/{verb}", f.attach)
	return mux
}

func (f *fakeEngine) with(do func(http.ResponseWriter, *http.Request, *fakeContainer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		c := f.find(r.PathValue("name"))
		if c == nil {
			refuse(w, http.StatusNotFound, "No such container: %s", r.PathValue("name"))
			return
		}
		do(w, r, c)
	}
}

func (f *fakeEngine) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var filters map[string][]string
	if err := json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters); err != nil {
		refuse(w, http.StatusBadRequest, "invalid filter")
		return
	}
	list := []map[string]any{}
	for _, c := range f.containers {
		key, value, exact := strings.Cut(filters["label"][0], "=")
		has, ok := c.labels[key]
		if ok && (!exact || has == value) && c.running {
			list = append(list, map[string]any{"Id": c.id, "Names": []string{"/" + c.name}})
		}
	}
	say(w, http.StatusOK, list)
}

func (f *fakeEngine) describe(c *fakeContainer) map[string]any {
	networks := map[string]any{}
	for id, place := range c.networks {
		networks[f.networks[id]] = map[string]any{
			"IPAMConfig": place.asked["IPAMConfig"], "Links": nil, "DriverOpts": nil,
			"Aliases":   append(slices.Clone(aliases(place)), any(c.id[:12])),
			"NetworkID": id, "IPAddress": place.address, "GlobalIPv6Address": "",
		}
	}
	status := "exited"
	switch {
	case c.paused:
		status = "paused"
	case c.running:
		status = "running"
	}
	return map[string]any{
		"Id": c.id, "Name": "/" + c.name, "Created": c.created.Format(time.RFC3339Nano),
		"State": map[string]any{
			"Status": status, "Running": c.running, "Paused": c.paused, "Pid": 0, "ExitCode": c.exit,
			"StartedAt": time.Unix(int64(c.started), 0).UTC().Format(time.RFC3339Nano),
		},
		"Config": map[string]any{"Labels": c.labels},
		"HostConfig": map[string]any{
			"AutoRemove": c.autoRemove, "Memory": c.memory, "MemorySwap": c.swap,
			"NanoCpus": c.nano, "CpuQuota": c.quota, "CpuPeriod": c.period,
		},
		"NetworkSettings": map[string]any{"Networks": networks},
	}
}

func aliases(p *fakePlace) []any {
	list, _ := p.asked["Aliases"].([]any)
	return list
}

func (f *fakeEngine) do(w http.ResponseWriter, r *http.Request, c *fakeContainer) {
	verb := r.PathValue("verb")
	if f.broken == verb {
		refuse(w, http.StatusInternalServerError, "runc did not terminate successfully")
		return
	}
	f.calls = append(f.calls, verb+" "+c.name)
	switch verb {
	case "pause":
		switch {
		case !c.running:
			refuse(w, http.StatusConflict, "Container %s is not running", c.id)
			return
		case c.paused:
			refuse(w, http.StatusConflict, "Container %s is already paused", c.id)
			return
		}
		c.paused = true
	case "unpause":
		if !c.paused {
			refuse(w, http.StatusInternalServerError, "Container %s is not paused", c.id)
			return
		}
		c.paused = false
	case "kill":
		if !c.running {
			refuse(w, http.StatusConflict, "Cannot kill container: %s: Container %s is not running", c.id, c.id)
			return
		}
		c.running, c.paused, c.exit = false, false, 137
	case "stop":
		if !c.running {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		c.running, c.paused, c.exit = false, false, 0
	case "start":
		if c.running {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		f.now++
		c.running, c.started = true, f.now
	case "update":
		f.update(w, r, c)
		return
	default:
		refuse(w, http.StatusNotFound, "page not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fakeEngine) update(w http.ResponseWriter, r *http.Request, c *fakeContainer) {
	var u struct{ NanoCpus, CpuQuota, CpuPeriod, Memory, MemorySwap int64 }
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	switch {
	case u.Memory != 0 && u.Memory < 6<<20:
		refuse(w, http.StatusBadRequest, "Minimum memory limit allowed is 6MB")
		return
	case u.CpuQuota != 0 && c.nano != 0:
		refuse(w, http.StatusConflict, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
		return
	case u.NanoCpus != 0 && (c.quota != 0 || c.period != 0):
		refuse(w, http.StatusConflict, "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set")
		return
	case u.Memory != 0 && u.MemorySwap == 0 && u.Memory > c.swap:
		refuse(w, http.StatusConflict, "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
		return
	}
	for _, field := range []struct {
		is  *int64
		set int64
	}{{&c.nano, u.NanoCpus}, {&c.quota, u.CpuQuota}, {&c.period, u.CpuPeriod}, {&c.memory, u.Memory}, {&c.swap, u.MemorySwap}} {
		if field.set != 0 {
			*field.is = field.set
		}
	}
	say(w, http.StatusOK, map[string]any{"Warnings": nil})
}

func (f *fakeEngine) attach(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, verb := r.PathValue("id"), r.PathValue("verb")
	var body struct {
		Container      string
		EndpointConfig map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	name, ok := f.networks[id]
	if !ok {
		refuse(w, http.StatusNotFound, "network %s not found", id)
		return
	}
	c := f.find(body.Container)
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container: %s", body.Container)
		return
	}
	f.calls = append(f.calls, verb+" "+c.name)
	if verb == "disconnect" {
		if c.networks[id] == nil {
			refuse(w, http.StatusInternalServerError, "container %s is not connected to network %s", c.id, name)
			return
		}
		delete(c.networks, id)
		w.WriteHeader(http.StatusOK)
		return
	}
	if c.networks[id] != nil {
		refuse(w, http.StatusForbidden, "endpoint with name %s already exists in network %s", c.name, name)
		return
	}
	address := "172.18.0.99"
	if ipam, ok := body.EndpointConfig["IPAMConfig"].(map[string]any); ok {
		if !f.free {
			refuse(w, http.StatusBadRequest, "user specified IP address is supported only when connecting to networks with user configured subnets")
			return
		}
		address, _ = ipam["IPv4Address"].(string)
		for _, other := range f.containers {
			if place := other.networks[id]; place != nil && place.address == address {
				refuse(w, http.StatusForbidden, "Address already in use")
				return
			}
		}
	}
	c.networks[id] = &fakePlace{asked: body.EndpointConfig, address: address}
	w.WriteHeader(http.StatusOK)
}

// look is a container's state in one line, from within the engine.
func (f *fakeEngine) look(c *fakeContainer) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	memory, quota := c.memory, c.quota
	if memory > 1<<62 {
		memory = 0
	}
	text := fmt.Sprintf("running %t paused %t memory %d nano %d quota %d", c.running, c.paused, memory, c.nano, max(quota, 0))
	for id, place := range c.networks {
		text += fmt.Sprintf(" %s %v %s", f.networks[id], aliases(place), place.address)
	}
	return text
}
