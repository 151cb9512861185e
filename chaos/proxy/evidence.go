package proxy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// proven says whether real traffic met the fault: its TCP toxics, of which one
// may keep another from being seen, and each of its HTTP and TLS ones.
func proven(ours []ActiveToxic) bool {
	tcp, met := false, false
	for _, t := range ours {
		switch {
		case t.Type != httpType && t.Type != tlsType:
			tcp, met = true, met || t.effective()
		case !t.effective():
			return false
		}
	}
	return met || !tcp
}

// effective says whether real traffic was harmed as the toxic means to.
func (t ActiveToxic) effective() bool {
	c := t.Counters
	switch t.Type {
	case latencyType:
		return c.Pieces > 0 && c.DelayMean >= t.Delay-t.Jitter
	case bandwidthType:
		return c.Pieces > 0 && c.DelayMean > 0
	case slicerType:
		return c.Pieces > 0 && c.Sliced > 0
	case slowCloseType:
		return c.Ends > 0 && c.EndMean >= t.Delay-t.Jitter
	case blackholeType:
		return c.Held > 0
	case timeoutType:
		return c.Held > 0 || c.Cut > 0
	case resetType, halfOpenType, limitType:
		return c.Cut > 0
	case httpType:
		h := t.HTTP
		return h != nil &&
			(h.Delay == 0 || c.Delayed > 0 && c.DelayMean >= h.Delay-h.Jitter) &&
			(h.Abort == 0 && h.GRPC == 0 || c.Aborted > 0) &&
			(h.Ask == nil && h.Answer == nil || c.Patched > 0)
	case tlsType:
		return t.TLS != nil && (c.Refused+c.Accepted > 0 || t.TLS.Fault == tlsStall && c.Seen > 0)
	default:
		return false
	}
}

// measured is what the toxic has done, in words.
func (t ActiveToxic) measured() string {
	c := t.Counters
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	switch t.Type {
	case resetType:
		return fmt.Sprintf("%s: cut %d connections", t.Name, c.Cut)
	case halfOpenType:
		return fmt.Sprintf("%s: left %d connections half-open and took %d bytes to nowhere", t.Name, c.Cut, c.Held)
	case limitType:
		return fmt.Sprintf("%s: closed %d connections after %d bytes each", t.Name, c.Cut, t.Bytes)
	case timeoutType:
		return fmt.Sprintf("%s: held %d bytes and closed %d connections", t.Name, c.Held, c.Cut)
	case blackholeType:
		return fmt.Sprintf("%s: held %d bytes", t.Name, c.Held)
	case slicerType:
		return fmt.Sprintf("%s: %d pieces (%d bytes), %d of them cut off, left %s late on average", t.Name, c.Pieces, c.Bytes, c.Sliced, round(c.DelayMean))
	case slowCloseType:
		return fmt.Sprintf("%s: %d streams ended %s late on average", t.Name, c.Ends, round(c.EndMean))
	case httpType:
		return t.measuredHTTP()
	case tlsType:
		return fmt.Sprintf("%s %s: met %d handshakes; clients broke off %d and completed %d all the same", t.Name, t.TLS.Fault, c.Seen, c.Refused, c.Accepted)
	default:
		return fmt.Sprintf("%s: %d pieces (%d bytes) left %s late on average, %s at most", t.Name, c.Pieces, c.Bytes, round(c.DelayMean), round(c.DelayMax))
	}
}

func (t ActiveToxic) measuredHTTP() string {
	c, parts := t.Counters, []string{}
	if t.HTTP.Delay > 0 {
		parts = append(parts, fmt.Sprintf("delayed %d by %s on average, %s at most", c.Delayed,
			c.DelayMean.Round(10*time.Microsecond), c.DelayMax.Round(10*time.Microsecond)))
	}
	if t.HTTP.Abort != 0 || t.HTTP.GRPC != 0 {
		parts = append(parts, fmt.Sprintf("aborted %d", c.Aborted))
	}
	if t.HTTP.Ask != nil || t.HTTP.Answer != nil {
		parts = append(parts, fmt.Sprintf("changed %d messages", c.Patched))
	}
	if c.Missed > 0 {
		parts = append(parts, fmt.Sprintf("could not change %d messages, too large or compressed", c.Missed))
	}
	if c.Unread > 0 {
		parts = append(parts, fmt.Sprintf("could not read %d connections", c.Unread))
	}
	return fmt.Sprintf("%s: of %d requests, %d of which match, %s", t.Name, c.Seen, c.Matched, strings.Join(parts, ", "))
}

// why says what is missing as evidence.
func why(ours []ActiveToxic) string {
	missing := slices.DeleteFunc(slices.Clone(ours), ActiveToxic.effective)
	for _, t := range missing {
		c := t.Counters
		switch {
		case t.Type == httpType && c.Seen > 0 && c.Matched == 0:
			return fmt.Sprintf("%s: of %d requests that passed, none matches", t.Name, c.Seen)
		case t.Type == httpType && c.Seen == 0 && c.Unread > 0:
			return fmt.Sprintf("%s: what passed, on %d connections, is not HTTP in the clear, or not plainly so", t.Name, c.Unread)
		case t.Type == tlsType && c.Seen == 0 && c.Unread > 0:
			return fmt.Sprintf("%s: %d new connections do not begin with TLS", t.Name, c.Unread)
		case c.Pieces > 0 || c.Ends > 0 || c.Seen > 0:
			return "what passed was not harmed as it should be: " + t.measured()
		}
	}
	for _, t := range missing {
		if t.Type == tlsType && !t.Reconnect {
			return "no connection was opened since; live ones are not harmed without reconnect"
		}
		if t.Type == httpType && !t.Reconnect {
			return "no request has passed since; HTTP/2 connections that were open before are not harmed without reconnect"
		}
	}
	return "nothing has passed through it since"
}
