//go:build killpoints

package chaos

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// The variables that say where a process is to stop.
const (
	// KillpointVariable holds a command and a transition: "run guarded".
	KillpointVariable = "BRUNT_KILLPOINT"
	// KillpointFile holds a path. A process that stops makes PATH.reached, which
	// holds its id, and goes on when there is PATH.go.
	KillpointFile = "BRUNT_KILLPOINT_FILE"
)

// Pass stops where the environment says so, the first time that any process
// comes by.
func Pass(t Transition) {
	if len(os.Args) < 2 || os.Getenv(KillpointVariable) != os.Args[1]+" "+string(t) {
		return
	}
	path := os.Getenv(KillpointFile)
	reached, err := os.OpenFile(path+".reached", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return // somebody has stopped here before
	}
	_, err = fmt.Fprint(reached, os.Getpid())
	if err = errors.Join(err, reached.Close()); err != nil {
		panic("stop at " + string(t) + ": " + err.Error())
	}
	for {
		if _, err := os.Stat(path + ".go"); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
