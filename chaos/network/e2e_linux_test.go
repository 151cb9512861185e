//go:build e2e

package network

import (
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// forms are the forms of the fault, each with what meets it.
var forms = []struct {
	name   string
	config Config
	stir   func(*testing.T, *rig)
}{
	// Both ways, one peer: what most scenarios ask for.
	{"partition", Config{Partition: true, To: []string{farAddress}}, pings},
	// The other packets pass, and so do those of other ports.
	{"partition_in_port", Config{Partition: true, Direction: inbound, To: []string{"10.231.7.0/24:7007"}}, pings},
	// Everything through one interface.
	{"partition_interface", Config{Partition: true, Direction: outbound, Interface: "near0"}, pings},
	{"loss", Config{Loss: 0.5, To: []string{farAddress}}, pings},
	{"rate", Config{Rate: 1 << 20, Interface: "near0", To: []string{farAddress}}, pushes},
	{"rate_in", Config{Rate: 16 << 10, Direction: inbound, To: []string{farAddress}}, pings},
	{"delay", Config{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, To: []string{farAddress}}, pings},
	{"delay_both", Config{Delay: 20 * time.Millisecond, Direction: both}, pings},
	{"all", Config{Delay: 20 * time.Millisecond, Loss: 0.2, Rate: 1 << 20, To: []string{farAddress}}, pings},
}

func pings(t *testing.T, r *rig)  { r.ping(t, farAddress, 400, 300*time.Millisecond) }
func pushes(t *testing.T, r *rig) { r.push(t, farAddress, 300*time.Millisecond) }

func TestE2EContract(t *testing.T) {
	for i, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: Kind, Mend: Mend, OneProcess: i > 0 && form.name != "delay" && form.name != "rate",
				Target: func(t *testing.T) chaostest.Target {
					r := newRig(t)
					return chaostest.Target{
						Fault: r.fault(t, form.config, chaos.Env{For: time.Minute}),
						Look:  r.state,
						Stir:  func(t *testing.T) { form.stir(t, r) },
					}
				},
			})
		})
	}
}
