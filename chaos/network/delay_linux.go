package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxOrders bounds a line that is read from a peer.
	maxOrders = 64 << 10
	// ordersBound is how long the orders may take to come.
	ordersBound = 10 * time.Second
	// burst is how many datagrams are read before packets are let go again.
	burst = 64
)

// Main is the body of the hidden command `brunt network`: the process that
// delays packets where the kernel cannot. It takes no arguments; orders come
// on its standard input, which is its lifeline as well. It lets all packets go
// and ends when the lifeline does, after its TTL, on SIGTERM, or when told to
// on its socket. When it is killed, the kernel drops those that wait in it and
// lets all others pass. It returns the exit code.
func Main(args []string) int {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "brunt network: it takes no arguments, and brunt itself starts it")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := hold(ctx, os.Stdin, os.Stdout); err != nil {
		answer(os.Stdout, ready{Error: err.Error()})
		return 1
	}
	return 0
}

// hold reads its orders and delays packets until ctx or the lifeline ends.
func hold(ctx context.Context, lifeline io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := bufio.NewReader(io.LimitReader(lifeline, maxOrders))
	impatient := time.AfterFunc(ordersBound, func() { os.Exit(1) }) // a blocked read of standard input cannot be ended otherwise
	text, err := in.ReadBytes('\n')
	impatient.Stop()
	var o orders
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	ctx, cancel = context.WithTimeout(ctx, o.TTL)
	defer cancel()

	d, err := newDelayer(o)
	if err != nil {
		return err
	}
	defer d.close()
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", o.Socket)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	// This goroutine is not waited for: it ends with the lifeline or the process.
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	var serving sync.WaitGroup
	serving.Go(func() { serve(ctx, cancel, listener, d) })
	serving.Go(func() {
		<-ctx.Done()
		_ = listener.Close()
		d.wakeUp()
	})
	answer(out, ready{})
	err = d.run(ctx)
	cancel()
	serving.Wait()
	return err
}

func answer(out io.Writer, r ready) {
	text, err := json.Marshal(r)
	if err == nil {
		_, _ = out.Write(append(text, '\n')) // whoever should read it may have gone
	}
}

// serve answers on the socket, one at a time, until the listener is closed.
func serve(ctx context.Context, cancel context.CancelFunc, listener net.Listener, d *delayer) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if serveOne(conn, d) {
			// The connection stays open until the process has ended: that is
			// how the other side knows.
			cancel()
			return
		}
		_ = conn.Close()
		if ctx.Err() != nil {
			return
		}
	}
}

// serveOne says whether it was told to stop. An abstract socket has no
// permissions, so it looks at who is asking.
func serveOne(conn net.Conn, d *delayer) (stop bool) {
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	user, err := peerOf(conn)
	if err != nil || user.Uid != 0 && int(user.Uid) != os.Geteuid() {
		return false
	}
	text, err := bufio.NewReader(io.LimitReader(conn, maxOrders)).ReadString('\n')
	if err != nil {
		return false
	}
	switch text {
	case askStop + "\n":
		return true
	case askFigures + "\n":
		if text, err := json.Marshal(d.figures()); err == nil {
			_, _ = conn.Write(append(text, '\n'))
		}
	}
	return false
}

// peerOf is the process at the other end of a Unix socket.
func peerOf(conn net.Conn) (peer *unix.Ucred, err error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("look at peer: not a Unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("look at peer: %w", err)
	}
	controlErr := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(controlErr, err)
}

// A delayer holds the packets of a queue for their time. Run is called from
// one goroutine; figures and wakeUp from any.
type delayer struct {
	queue   *nfqueue
	started time.Time
	ways    [2]*line // out, in
	wake    int      // an eventfd
	packets []packet

	mu  sync.Mutex
	did figures
	sum time.Duration
}

func newDelayer(o orders) (*delayer, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	q, err := openQueue(o.Queue)
	if err != nil {
		_ = unix.Close(wake)
		return nil, err
	}
	return &delayer{queue: q, started: time.Now(), ways: [2]*line{newLine(o, 0), newLine(o, 1)}, wake: wake}, nil
}

func (d *delayer) close() {
	d.queue.close()
	_ = unix.Close(d.wake)
}

func (d *delayer) now() time.Duration { return time.Since(d.started) }

func (d *delayer) figures() figures {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.did
	if f.Let > 0 {
		f.Mean = d.sum / time.Duration(f.Let)
	}
	return f
}

func (d *delayer) wakeUp() {
	_, _ = unix.Write(d.wake, []byte{0, 0, 0, 0, 0, 0, 0, 1}) // any number but 0 wakes
}

// run delays packets until ctx ends and wakeUp is called; then it lets all go
// that wait. It keeps to one thread and sleeps in ppoll, which, unlike Go's
// timers, wakes to the microsecond.
func (d *delayer) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for {
		if err := d.letGo(ctx.Err() != nil); err != nil || ctx.Err() != nil {
			return err
		}
		fds := []unix.PollFd{{Fd: int32(d.queue.fd), Events: unix.POLLIN}, {Fd: int32(d.wake), Events: unix.POLLIN}}
		if _, err := unix.Ppoll(fds, d.sleep(), nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for packets: %w", err)
		}
		if err := d.receive(); err != nil {
			return err
		}
	}
}

// sleep is how long nothing is due; nil for as long as nothing comes.
func (d *delayer) sleep() *unix.Timespec {
	var first time.Duration
	found := false
	for _, way := range d.ways {
		if goes, ok := way.next(); ok && (!found || goes < first) {
			first, found = goes, true
		}
	}
	if !found {
		return nil
	}
	pause := unix.NsecToTimespec(int64(max(0, first-d.now())))
	return &pause
}

func (d *delayer) receive() (err error) {
	for range burst {
		if d.packets, err = d.queue.receive(d.packets[:0]); err != nil || len(d.packets) == 0 {
			return err
		}
		now := d.now()
		for _, p := range d.packets {
			way := d.ways[0]
			if p.inbound {
				way = d.ways[1]
			}
			way.add(p.id, now)
		}
	}
	return nil
}

// letGo accepts every packet whose time has come; all tells it not to wait for
// the others'. Those do not count.
func (d *delayer) letGo(all bool) error {
	now := d.now()
	var did figures
	var sum time.Duration
	for _, way := range d.ways {
		for {
			goes, ok := way.next()
			if !ok || !all && goes > now {
				break
			}
			w := way.take()
			if err := d.queue.accept(packet{id: w.id}); err != nil {
				return err
			}
			if goes <= now {
				did.Let++
				sum += now - w.came
				did.Max = max(did.Max, now-w.came)
			}
		}
		did.Held += int64(way.len())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did.Let += did.Let
	d.did.Held = did.Held
	d.did.Max = max(d.did.Max, did.Max)
	d.sum += sum
	return nil
}
