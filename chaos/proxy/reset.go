package proxy

import "errors"

// resetType cuts connections with a TCP reset: at once or, with a delay, that
// long after they were opened or the toxic was set, whichever comes later.
const resetType = "reset"

func checkReset(t Toxic) error {
	if t.Delay < 0 {
		return errors.New("the delay is negative")
	}
	return nil
}
