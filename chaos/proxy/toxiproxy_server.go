package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// toxiproxyVersion is the version of Toxiproxy whose API this is. Clients ask
// for it.
const toxiproxyVersion = "2.12.0"

const (
	// readBound bounds reading a request of the API.
	readBound = 5 * time.Second
	// maxBody bounds its body.
	maxBody = 1 << 20
)

// ToxiproxyOptions is what ServeToxiproxy needs to know.
type ToxiproxyOptions struct {
	Address string // host:port of the API, on loopback
	Config  string // path of a file of proxies to begin with, in Toxiproxy's format; empty: none
	// Ready is called once, with the address that the API listens on.
	Ready func(address string)
}

// ServeToxiproxy runs proxies that Toxiproxy's clients drive through its HTTP
// API, until ctx ends. It differs from Toxiproxy in this: toxics of a stream
// act in a fixed order, a link before what counts its bytes; a reset_peer
// counts from the connection's opening or its own, not from the first data.
// Like Toxiproxy, it lets no browser in.
func ServeToxiproxy(ctx context.Context, o ToxiproxyOptions) error {
	if err := onLoopback(o.Address); err != nil {
		return fmt.Errorf("serve Toxiproxy's API: %w", err)
	}
	p := newToxiproxy()
	defer p.close()
	if o.Config != "" {
		file, err := os.Open(o.Config)
		if err != nil {
			return fmt.Errorf("serve Toxiproxy's API: read config: %w", err)
		}
		err = p.populate(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("serve Toxiproxy's API: read config %s: %w", o.Config, err)
		}
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return fmt.Errorf("serve Toxiproxy's API: %w", err)
	}
	server := &http.Server{Handler: p.handler(), ReadTimeout: readBound, ErrorLog: log.New(io.Discard, "", 0)}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if o.Ready != nil {
		o.Ready(listener.Addr().String())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve Toxiproxy's API: %w", errors.Join(err, server.Close()))
	}
	return nil
}

// onLoopback refuses an address that others could reach: the API asks nobody
// who they are.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not on loopback, and whoever reaches the API may use it; listen on 127.0.0.1", address)
	}
	return nil
}

// toxiproxy is what the API acts on.
type toxiproxy struct {
	mu      sync.Mutex
	proxies map[string]*drivenProxy
}

// A drivenProxy is one proxy that the API made. It is guarded by the toxiproxy's
// mutex.
type drivenProxy struct {
	peerProxy
	server *server // nil while it is disabled
	cancel context.CancelFunc
	done   chan struct{}
}

func newToxiproxy() *toxiproxy { return &toxiproxy{proxies: map[string]*drivenProxy{}} }

func (p *toxiproxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.proxies {
		d.stop()
	}
}

// start listens and sets the toxics that the proxy has. Starting what runs
// does nothing.
func (d *drivenProxy) start() error {
	if d.server != nil {
		return nil
	}
	listenOn := d.Listen
	if listenOn == "" {
		listenOn = "127.0.0.1:0"
	}
	s, err := listen(d.Name, middlebox.Endpoint{Listen: listenOn, Upstream: d.Upstream})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.server, d.cancel, d.done = s, cancel, make(chan struct{})
	d.Listen, d.Enabled = s.listener.Addr().String(), true
	for _, t := range d.Toxics {
		d.apply(t)
	}
	go func() {
		defer close(d.done)
		_ = s.serve(ctx)
	}()
	return nil
}

// stop ends the proxy and its connections, and returns when they have ended.
func (d *drivenProxy) stop() {
	d.Enabled = false
	if d.server == nil {
		return
	}
	d.server.close()
	d.cancel()
	<-d.done
	d.server = nil
}

// owner makes each toxic its own owner's, so that changing one leaves what the
// others know of their connections.
func owner(name string) string { return "toxiproxy " + name }

// apply sets a toxic, in place of the one of that name.
func (d *drivenProxy) apply(t peerToxic) {
	if d.server == nil {
		return
	}
	ours, ok := t.toxic()
	if !ok || d.server.inject(owner(t.Name), []Toxic{ours}, 0) != nil {
		d.unapply(t.Name)
	}
}

func (d *drivenProxy) unapply(name string) {
	if d.server != nil {
		d.server.drop(func(a *active) bool { return a.owner == owner(name) })
	}
}

// shown is the proxy as the API tells of it.
func (d *drivenProxy) shown() peerProxy {
	shown := d.peerProxy
	shown.Toxics = append([]peerToxic{}, shown.Toxics...)
	return shown
}
