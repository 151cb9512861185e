package dns

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
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// passFor is how long an orphaned resolver forwards untouched when it was
	// never told when the run would end.
	passFor = 10 * time.Minute
	// maxOrders bounds a line on the lifeline.
	maxOrders = 1 << 20
	// controlReadBound bounds reading a request on the control socket.
	controlReadBound = 5 * time.Second
)

// ServeOptions is how Serve talks to the brunt that started it.
type ServeOptions struct {
	// Lifeline is brunt's end of the process, its standard input: first one
	// line of orders, then "until TIME" and "stop" lines. Its end without
	// "stop" says that brunt is gone. Serve closes it.
	Lifeline io.ReadCloser
	// Ready is told, in one line, that all resolvers listen, or why not: the
	// process's standard output. Serve closes it after that if it can.
	Ready io.Writer
}

// orders is the first line on the lifeline.
type orders struct {
	Dir       string              `json:"dir"` // for control files
	Resolvers map[string]Endpoint `json:"resolvers"`
	Until     time.Time           `json:"until"` // when the run will have ended; zero: not known yet
}

// ready is the line that says that the resolvers listen, or why not.
type ready struct {
	Error     string             `json:"error,omitempty"`
	Resolvers map[string]Control `json:"resolvers,omitempty"`
}

// Serve runs the resolvers of one run; it is the body of the hidden command that
// Start calls. It returns when brunt says stop, when ctx ends, or, once brunt
// is gone without a word, when the run would have ended. While it is orphaned
// it has no rules and takes none.
func Serve(ctx context.Context, o ServeOptions) error {
	defer o.Lifeline.Close()
	lines := bufio.NewReaderSize(o.Lifeline, 64<<10)
	first, err := readLine(lines)
	if err != nil {
		return fmt.Errorf("serve resolvers: read orders: %w", err)
	}
	var want orders
	if err := json.Unmarshal([]byte(first), &want); err != nil {
		return fmt.Errorf("serve resolvers: read orders: %w", err)
	}
	p, err := open(ctx, want)
	say := ready{}
	if err != nil {
		say.Error = err.Error()
	} else {
		say.Resolvers = p.controls
	}
	told := json.NewEncoder(o.Ready).Encode(say)
	if closer, ok := o.Ready.(io.Closer); ok {
		told = errors.Join(told, closer.Close())
	}
	if err != nil {
		return fmt.Errorf("serve resolvers: %w", err)
	}
	if told != nil {
		// Brunt is gone already. Nothing was broken; nobody needs us.
		p.close()
		return fmt.Errorf("serve resolvers: say that they listen: %w", told)
	}
	return p.run(ctx, follow(lines), want.Until)
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
			if until, ok := strings.CutPrefix(text, "until "); ok {
				if t, err := time.Parse(time.RFC3339Nano, until); err == nil {
					select {
					case words <- word{until: t}:
					default: // sixteen unread: brunt does not say it that often
					}
				}
			}
		}
	}()
	return words
}

// A process is all resolvers of one run, and their control socket.
type process struct {
	dir      string
	servers  map[string]*server
	controls map[string]Control
	socket   net.Listener
	http     *http.Server
}

// open listens everywhere and writes the control files; all or nothing.
func open(ctx context.Context, want orders) (p *process, err error) {
	p = &process{dir: want.Dir, servers: map[string]*server{}, controls: map[string]Control{}}
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
	for name, endpoint := range want.Resolvers {
		s, err := listen(ctx, name, endpoint)
		if err != nil {
			return p, err
		}
		p.servers[name] = s
		p.controls[name] = Control{
			Name: name, Listen: s.udp.LocalAddr().String(), Upstream: endpoint.Upstream,
			Address: p.socket.Addr().String(), Token: token, Instance: instance, Pid: os.Getpid(),
		}
	}
	for name, c := range p.controls {
		if err := writeControl(controlFile(p.dir, name), c); err != nil {
			return p, err
		}
	}
	p.http = &http.Server{
		Handler:     (&control{servers: p.servers, token: token, instance: instance}).handler(),
		ReadTimeout: controlReadBound,
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	return p, nil
}

func controlFile(dir, name string) string { return filepath.Join(dir, name+".json") }

// writeControl writes a control file whole or not at all, for its owner only.
func writeControl(path string, c Control) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("write control file: %w", err), os.Remove(temporary))
	}
	return nil
}

// run serves until it is told to end, and returns when everything has.
func (p *process) run(ctx context.Context, words <-chan word, until time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer p.close()
	defer cancel()

	wg.Go(func() { _ = p.http.Serve(p.socket) }) // it ends with close, and only then
	for _, s := range p.servers {
		wg.Go(func() { s.serve(ctx) })
	}

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
				for _, s := range p.servers {
					s.abandon()
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
// means a resolver that runs.
func (p *process) close() {
	for _, s := range p.servers {
		s.close()
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
