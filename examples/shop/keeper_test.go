package shop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

// A role that cannot listen ends, and leaves nothing behind.
func TestRolesEndWhenTheyCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/pids", 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{}.withDefaults()
	l := layout{
		Exe: "/bin/true", Dir: dir, Warm: true,
		Keeper: address, LB: address, LBAdmin: address, Autoscaler: address, Payments: address, PaymentsVia: address,
		Replicas: []string{address},
		Min:      1, Slots: o.Slots, Queue: o.Queue, Pace: o.Pace, Target: o.Target, Sync: o.Sync,
	}
	for name, run := range map[string]func(context.Context, layout, string) error{
		"keeper": runKeeper, "lb": runBalancer, "autoscaler": runAutoscaler, "payments": runPayments, "shop-1": runReplica,
	} {
		if err := run(t.Context(), l, name); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := runReplica(t.Context(), l, "shop-2"); err == nil {
		t.Error("a replica without an address started")
	}
}

// Load makes the autoscaler ask for more replicas, and the lack of it for
// fewer.
func TestStackScales(t *testing.T) {
	t.Parallel()
	o := quick(t.TempDir())
	o.Min, o.Max, o.Slots = 1, 3, 1
	s := startStack(t, o)

	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 6 {
		load.Go(func() {
			client := newClient(patience)
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				_ = getJSON(ctx, client, s.Vars()["url"]+"/products", nil)
			}
		})
	}
	defer load.Wait()
	defer cancel()
	ready := func(want int) func() error {
		return func() error {
			st, err := s.look(t)
			if err == nil && (st.Ready != want || st.Desired != want || st.Replicas != want) {
				err = fmt.Errorf("want %d replicas: %+v", want, st)
			}
			return err
		}
	}
	eventually(t, ready(3))
	cancel()
	eventually(t, ready(1))
	st, err := s.look(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Decisions) < 2 || st.Decisions[0].From != 1 || st.Decisions[0].Why == "" {
		t.Errorf("the decisions do not tell what happened: %+v", st.Decisions)
	}
	eventually(t, func() error {
		if _, err := os.Stat(s.Processes()["shop-3"]); !errors.Is(err, os.ErrNotExist) {
			return errors.New("the pid file of a replica that ended is still there")
		}
		return nil
	})
}
