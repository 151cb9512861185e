package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// An outage is how the API server fails.
type outage string

const (
	whole     outage = ""         // it does not
	gone      outage = "gone"     // connections are cut and refused
	throttles outage = "throttle" // requests are answered 429; watches go on
	fails     outage = "fail"     // requests are answered 503; watches go on
)

// A door is a port of the API server for one kind of client.
type door struct {
	port int

	mu       sync.Mutex
	listener net.Listener // nil while it is shut
	conns    map[net.Conn]bool
	outage   outage
	epoch    int // of the outage, so that only its own end ends it
}

// doors are the API server's listener: one port for everybody, one for the lab's
// own parts, and one for the API server itself, which is never shut.
type doors struct {
	clients, controllers, loopback *door

	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	admits sync.WaitGroup
}

func openDoors(p ports) (*doors, error) {
	d := &doors{
		clients: &door{port: p.API}, controllers: &door{port: p.Controllers}, loopback: &door{port: p.Loopback},
		conns: make(chan net.Conn), closed: make(chan struct{}),
	}
	for _, one := range d.all() {
		one.conns = map[net.Conn]bool{}
		if err := d.open(one); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func (d *doors) all() []*door { return []*door{d.loopback, d.controllers, d.clients} }

// open lets connections in through a door. The caller holds the door's lock, or
// is the only one to know of it.
func (d *doors) open(one *door) error {
	listener, err := listen("the API server", one.port)
	if err != nil {
		return err
	}
	one.listener = listener
	d.admits.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			one.mu.Lock()
			shut := one.listener != listener
			if !shut {
				one.conns[conn] = true
			}
			one.mu.Unlock()
			if shut {
				conn.Close()
				return
			}
			select {
			case d.conns <- &passed{conn, one}:
			case <-d.closed:
				conn.Close()
			}
		}
	})
	return nil
}

// passed is a connection that forgets itself when it is closed.
type passed struct {
	net.Conn
	through *door
}

func (p *passed) Close() error {
	p.through.mu.Lock()
	delete(p.through.conns, p.Conn)
	p.through.mu.Unlock()
	return p.Conn.Close()
}

// Accept, Close and Addr make it a net.Listener. The API server calls itself at
// the address.
func (d *doors) Accept() (net.Conn, error) {
	select {
	case conn := <-d.conns:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *doors) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: d.loopback.port}
}

func (d *doors) Close() error {
	d.once.Do(func() {
		close(d.closed)
		for _, one := range d.all() {
			one.mu.Lock()
			one.shut()
			one.mu.Unlock()
		}
		d.admits.Wait()
	})
	return nil
}

// shut lets nobody in any more. The caller holds the lock.
func (one *door) shut() {
	if one.listener != nil {
		_ = one.listener.Close() // its only error is that it is closed
		one.listener = nil
	}
}

// set makes the API server fail for those who come through a door, or work
// again. After a time above 0 it works again by itself, unless it was told
// something else meanwhile.
func (d *doors) set(one *door, to outage, length time.Duration) error {
	one.mu.Lock()
	one.epoch++
	epoch := one.epoch
	one.outage = to
	var cut []net.Conn
	var err error
	if to == gone {
		one.shut()
		for conn := range one.conns {
			cut = append(cut, conn)
		}
	} else if one.listener == nil {
		err = d.open(one)
	}
	one.mu.Unlock()
	for _, conn := range cut {
		_ = conn.Close() // closed already, then
	}
	if to != whole && length > 0 && err == nil {
		time.AfterFunc(length, func() { d.heal(one, epoch) })
	}
	return err
}

// heal ends an outage unless it has become another.
func (d *doors) heal(one *door, epoch int) {
	one.mu.Lock()
	mine := one.epoch == epoch
	one.mu.Unlock()
	select {
	case <-d.closed:
		return
	default:
	}
	if mine {
		// Its port is the lab's own, below those that others are given.
		_ = d.set(one, whole, 0)
	}
}

// filter answers in the API server's place while it is to fail.
func (d *doors) filter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch d.through(r).now() {
		case throttles:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "TooManyRequests", "the lab's API server throttles: it was told to")
		case fails:
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "the lab's API server fails: it was told to")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse answers as API servers do.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
}

// through is the door that a request came through.
func (d *doors) through(r *http.Request) *door {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		for _, one := range d.all() {
			if _, port, err := net.SplitHostPort(local.String()); err == nil && port == strconv.Itoa(one.port) {
				return one
			}
		}
	}
	return d.loopback
}

func (one *door) now() outage {
	one.mu.Lock()
	defer one.mu.Unlock()
	return one.outage
}

// fail is the control of outages: of the API server for everybody (of=api) or
// for those alone that come through its public port (of=clients).
func (d *doors) fail(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	doors := []*door{d.clients}
	if q.Get("of") == "api" {
		doors = append(doors, d.controllers)
	}
	to := outage(q.Get("how"))
	if to == "" {
		to = gone
	}
	length, err := time.ParseDuration(q.Get("for"))
	timed := q.Has("for")
	switch {
	case to != gone && to != throttles && to != fails:
		http.Error(w, "how=gone, throttle or fail", http.StatusBadRequest)
		return
	case timed == q.Has("on"), timed && (err != nil || length <= 0), !timed && q.Get("on") != "true" && q.Get("on") != "false":
		http.Error(w, "for=10s, or on=true until on=false", http.StatusBadRequest)
		return
	case q.Get("on") == "false":
		to = whole
	}
	for _, one := range doors {
		if err := d.set(one, to, length); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}
