package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// Command is the name of the hidden command that Start runs.
const Command = "resolver"

// family is what resolvers are among middleboxes.
func family() middlebox.Family {
	return middlebox.Family{Command: Command, One: "resolver", Many: "resolvers"}
}

// Start starts the process in which the run's resolvers live, and waits until
// they listen, as IP:port on both UDP and TCP; see middlebox.Family.Start.
func Start(ctx context.Context, exe, dir string, resolvers map[string]middlebox.Endpoint) (*middlebox.Process, map[string]string, error) {
	return family().Start(ctx, exe, dir, resolvers)
}

// Control is how to reach a resolver's control socket.
type Control struct{ middlebox.Control }

// ReadControl reads a resolver's control file.
func ReadControl(path string) (Control, error) {
	c, err := middlebox.ReadControl(path)
	return Control{c}, err
}

func (c Control) client() middlebox.Client[State] {
	return middlebox.Client[State]{Family: family(), Control: c.Control}
}

// State asks the resolver what is set on it.
func (c Control) State(ctx context.Context) (State, error) { return c.client().State(ctx) }

// State is what a resolver says of itself.
type State struct {
	Name      string       `json:"name"`
	Listen    string       `json:"listen"`
	Upstream  string       `json:"upstream"`
	Orphan    bool         `json:"orphan,omitempty"` // its brunt is gone; it forwards untouched
	Forwarded int64        `json:"forwarded"`        // queries that the upstream answered
	Lost      int64        `json:"lost"`             // queries that there was no room for
	Rules     []ActiveRule `json:"rules"`
}

// ActiveRule is a rule that is set.
type ActiveRule struct {
	Rule
	Owner     string        `json:"owner"` // the receipt's ID
	ExpiresIn time.Duration `json:"expires_in_ns"`
	Counters  Counters      `json:"counters"`
}

// injection is what an owner asks a resolver for.
type injection struct {
	Rule Rule          `json:"rule"`
	TTL  time.Duration `json:"ttl_ns"`
}

// A box is a resolver as a middlebox.
type box struct{ *server }

func listenBox(ctx context.Context, name string, e middlebox.Endpoint) (middlebox.Box, error) {
	s, err := listen(ctx, name, e)
	if err != nil {
		return nil, err
	}
	return box{s}, nil
}

func (b box) Address() string           { return b.udp.LocalAddr().String() }
func (b box) Serve(ctx context.Context) { b.serve(ctx) }
func (b box) Abandon()                  { b.abandon() }
func (b box) Close()                    { b.close() }
func (b box) State() any                { return b.state() }

func (b box) Drop(owner string) { b.drop(func(a *active) bool { return a.owner == owner }) }

func (b box) Set(owner string, asked *json.Decoder) error {
	var in injection
	if err := asked.Decode(&in); err != nil {
		return fmt.Errorf("read rule: %w", err)
	}
	if in.TTL <= 0 {
		return errors.New("a ttl above 0 is needed")
	}
	return b.inject(owner, in.Rule, in.TTL)
}
