package middlebox

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// passFor is how long an orphaned process passes everything through when it
	// was never told when the run would end.
	passFor = 10 * time.Minute
	// maxOrders bounds a line on the lifeline.
	maxOrders = 1 << 20
	// controlReadBound bounds reading a request on the control socket.
	controlReadBound = 5 * time.Second
)

// ServeOptions is how Serve talks to the brunt that started it.
type ServeOptions struct {
	Family Family
	// Listen makes a middlebox that listens; it is served after that.
	Listen func(ctx context.Context, name string, e Endpoint) (Box, error)
	// Lifeline is brunt's end of the process, its standard input: first one
	// line of orders, then "pass DURATION" and "stop" lines. Its end without
	// "stop" says that brunt is gone. Serve closes it.
	Lifeline io.ReadCloser
	// Ready is told, in one line, that all listen, or why not: the
	// process's standard output. Serve closes it after that if it can.
	Ready io.Writer
}

// orders is the first line on the lifeline.
type orders struct {
	Dir   string              `json:"dir"` // for control files
	Boxes map[string]Endpoint `json:"boxes"`
}

// ready is the line that says that all listen, or why not.
type ready struct {
	Error string             `json:"error,omitempty"`
	Boxes map[string]Control `json:"boxes,omitempty"`
}

// Serve runs one run's middleboxes of a family; it is the body of the hidden
// command that Start calls. It returns when brunt says stop, when ctx ends, or,
// once brunt is gone without a word, when the run would have ended. While it is
// orphaned it holds no fault and takes none.
func Serve(ctx context.Context, o ServeOptions) error {
	defer o.Lifeline.Close()
	if err := serve(ctx, o); err != nil {
		return fmt.Errorf("serve %s: %w", o.Family.Many, err)
	}
	return nil
}

// ErrNoOrders is Serve's when the lifeline ends before it has said anything,
// as when a person starts the process.
var ErrNoOrders = errors.New("there are no orders; brunt itself starts this")

func serve(ctx context.Context, o ServeOptions) error {
	lines := bufio.NewReaderSize(o.Lifeline, 64<<10)
	first, err := readLine(lines)
	if errors.Is(err, io.EOF) {
		return ErrNoOrders
	}
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	var want orders
	if err := json.Unmarshal([]byte(first), &want); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	p, err := open(ctx, o, want)
	say := ready{}
	if err != nil {
		say.Error = err.Error()
	} else {
		say.Boxes = p.controls
	}
	told := json.NewEncoder(o.Ready).Encode(say)
	if closer, ok := o.Ready.(io.Closer); ok {
		told = errors.Join(told, closer.Close())
	}
	if err != nil {
		return err
	}
	if told != nil {
		// Brunt is gone already. Nothing was broken; nobody needs us.
		p.close()
		return fmt.Errorf("say that they listen: %w", told)
	}
	return p.run(ctx, follow(lines))
}

// readLine reads one line of at most maxOrders bytes, without its end.
func readLine(lines *bufio.Reader) (string, error) {
	var text strings.Builder
	for {
		part, err := lines.ReadSlice('\n')
		text.Write(part)
		switch {
		case err == nil:
			return strings.TrimRight(text.String(), "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		case text.Len() > maxOrders:
			return "", errors.New("line too long")
		}
	}
}

// A word is what the lifeline said.
type word struct {
	until time.Time
	stop  bool
	gone  bool // the end of the lifeline
}

// follow reads the lifeline until it ends, or closes. The channel has room for
// the last words, so that nobody needs to listen.
func follow(lines *bufio.Reader) <-chan word {
	words := make(chan word, 16)
	go func() {
		defer close(words)
		for {
			text, err := readLine(lines)
			if err != nil {
				words <- word{gone: true}
				return
			}
			if text == "stop" {
				words <- word{stop: true}
				return
			}
			if left, ok := strings.CutPrefix(text, "pass "); ok {
				if d, err := time.ParseDuration(left); err == nil {
					select {
					// By a clock that nobody can set.
					case words <- word{until: time.Now().Add(d)}:
					default: // sixteen unread: brunt does not say it that often
					}
				}
			}
		}
	}()
	return words
}

// A process is all of a run's middleboxes of a family, and their control socket.
type process struct {
	dir      string
	boxes    map[string]Box
	controls map[string]Control
	socket   net.Listener
	http     *http.Server
}

// open listens everywhere and writes the control files; all or nothing.
func open(ctx context.Context, o ServeOptions, want orders) (p *process, err error) {
	p = &process{dir: want.Dir, boxes: map[string]Box{}, controls: map[string]Control{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	token, instance := rand.Text(), rand.Text()
	p.socket, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return p, fmt.Errorf("listen for control: %w", err)
	}
	for name, endpoint := range want.Boxes {
		box, err := o.Listen(ctx, name, endpoint)
		if err != nil {
			return p, err
		}
		p.boxes[name] = box
		p.controls[name] = Control{
			Name: name, Listen: box.Address(), Upstream: endpoint.Upstream,
			Address: p.socket.Addr().String(), Token: token, Instance: instance, Pid: os.Getpid(),
		}
	}
	for name, c := range p.controls {
		if err := writeControl(controlFile(p.dir, name), c); err != nil {
			return p, err
		}
	}
	p.http = &http.Server{
		Handler:     (&control{boxes: p.boxes, one: o.Family.One, token: token, instance: instance}).handler(),
		ReadTimeout: controlReadBound,
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	return p, nil
}

// run serves until it is told to end, and returns when everything has.
func (p *process) run(ctx context.Context, words <-chan word) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer p.close()
	defer cancel()

	wg.Go(func() { _ = p.http.Serve(p.socket) }) // it ends with close, and only then
	for _, box := range p.boxes {
		wg.Go(func() { box.Serve(ctx) })
	}

	var until time.Time // when the run will have ended; zero: not known yet
	var deadline <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-deadline:
			return nil
		case w, ok := <-words:
			switch {
			case !ok:
				words = nil
			case w.stop:
				return nil
			case w.gone:
				for _, box := range p.boxes {
					box.Abandon()
				}
				left := passFor
				if !until.IsZero() {
					left = time.Until(until)
				}
				deadline = time.After(left)
			default:
				until = w.until
			}
		}
	}
}

// close ends everything and removes the control files, so that one that exists
// means a middlebox that runs.
func (p *process) close() {
	for _, box := range p.boxes {
		box.Close()
	}
	if p.http != nil {
		_ = p.http.Close()
	}
	if p.socket != nil {
		_ = p.socket.Close()
	}
	for name := range p.controls {
		_ = os.Remove(controlFile(p.dir, name))
	}
}
