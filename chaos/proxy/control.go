package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// Command is the name of the hidden command that Start runs.
const Command = "proxy"

// family is what proxies are among middleboxes.
func family() middlebox.Family {
	return middlebox.Family{Command: Command, One: "proxy", Many: "proxies"}
}

// Start starts the process in which the run's proxies live, and waits until
// they listen; see middlebox.Family.Start.
func Start(ctx context.Context, exe, dir string, proxies map[string]middlebox.Endpoint) (*middlebox.Process, map[string]string, error) {
	return family().Start(ctx, exe, dir, proxies)
}

// Control is how to reach a proxy's control socket.
type Control struct{ middlebox.Control }

// ReadControl reads a proxy's control file.
func ReadControl(path string) (Control, error) {
	c, err := middlebox.ReadControl(path)
	return Control{c}, err
}

func (c Control) client() middlebox.Client[State] {
	return middlebox.Client[State]{Family: family(), Control: c.Control}
}

// State asks the proxy what is set on it.
func (c Control) State(ctx context.Context) (State, error) { return c.client().State(ctx) }

// State is what a proxy says of itself.
type State struct {
	Name        string        `json:"name"`
	Listen      string        `json:"listen"`
	Upstream    string        `json:"upstream"`
	Connections int           `json:"connections"`
	Orphan      bool          `json:"orphan,omitempty"` // its brunt is gone; it passes traffic through untouched
	Toxics      []ActiveToxic `json:"toxics"`
}

// ActiveToxic is a toxic that is set.
type ActiveToxic struct {
	Toxic
	Name      string        `json:"name"`
	Owner     string        `json:"owner"` // the receipt's ID
	ExpiresIn time.Duration `json:"expires_in_ns"`
	Counters  Counters      `json:"counters"`
}

// injection is what an owner asks a proxy for.
type injection struct {
	Toxics []Toxic       `json:"toxics"`
	TTL    time.Duration `json:"ttl_ns"`
}

// A box is a proxy as a middlebox.
type box struct{ *server }

func listenBox(_ context.Context, name string, e middlebox.Endpoint) (middlebox.Box, error) {
	s, err := listen(name, e)
	if err != nil {
		return nil, err
	}
	return box{s}, nil
}

func (b box) Address() string           { return b.listener.Addr().String() }
func (b box) Serve(ctx context.Context) { _ = b.serve(ctx) } // it ends with Close, and only then
func (b box) Abandon()                  { b.abandon() }
func (b box) Close()                    { b.close() }
func (b box) State() any                { return b.state() }

func (b box) Drop(owner string) { b.drop(func(a *active) bool { return a.owner == owner }) }

func (b box) Set(owner string, asked *json.Decoder) error {
	var in injection
	if err := asked.Decode(&in); err != nil {
		return fmt.Errorf("read toxics: %w", err)
	}
	if len(in.Toxics) == 0 || in.TTL <= 0 {
		return errors.New("at least one toxic and a ttl above 0 are needed")
	}
	return b.inject(owner, in.Toxics, in.TTL)
}
