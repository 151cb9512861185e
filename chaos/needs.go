package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// A Capability is one of Linux's, by its number in capabilities(7).
type Capability uint

// The capabilities that faults need.
const (
	CapDACOverride Capability = 1
	CapKill        Capability = 5
	CapNetAdmin    Capability = 12
	CapSysAdmin    Capability = 21
	CapSysNice     Capability = 23
	CapSysResource Capability = 24
)

func (c Capability) String() string {
	switch c {
	case CapDACOverride:
		return "CAP_DAC_OVERRIDE"
	case CapKill:
		return "CAP_KILL"
	case CapNetAdmin:
		return "CAP_NET_ADMIN"
	case CapSysAdmin:
		return "CAP_SYS_ADMIN"
	case CapSysNice:
		return "CAP_SYS_NICE"
	case CapSysResource:
		return "CAP_SYS_RESOURCE"
	}
	return "capability " + strconv.Itoa(int(c))
}

// A Need is a capability that a fault needs, or may need.
type Need struct {
	Capability Capability
	// For is what it is needed for, in words that complete "for": "undoing nice".
	For string
	// Unless is when it is not needed after all: "the process is the user's own".
	// Empty: it always is.
	Unless string
}

// A Needer is a Fault that needs capabilities of the kernel. It is asked before
// its targets are known.
type Needer interface{ Needs() []Need }

// A Foreign is a Fault whose undo does what is not brunt's own: it runs
// somebody's command, or calls somebody's server. It is not rehearsed.
type Foreign interface {
	// Foreign completes "it": "runs ./mend.sh". Empty: it does no such thing.
	Foreign() string
}

// Capable says whether this thread has a capability now. Where the kernel has
// none, as on other systems than Linux, it says yes: kinds that need them refuse
// there by themselves.
func Capable(c Capability) (bool, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read own capabilities: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			if err != nil {
				return false, fmt.Errorf("read own capabilities: %w", err)
			}
			return set&(1<<c) != 0, nil
		}
	}
	return false, errors.New("read own capabilities: not found in /proc")
}
