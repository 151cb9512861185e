package middlebox

import (
	"bufio"
	"os"
	"testing"
	"time"
)

// A line on the lifeline has its own time to be taken in: one said long after
// the first is not late. (With one deadline for all, "stop" was lost in runs
// of more than ten seconds, and the proxies took brunt's end for its death.)
func TestSayLongAfter(t *testing.T) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	defer ours.Close()
	p := &Process{lifeline: ours}
	lines := bufio.NewReader(theirs)
	for _, word := range []string{"{}", "pass 1h", "stop"} {
		if err := p.say(word); err != nil {
			t.Fatalf("say %q: %v", word, err)
		}
		if line, err := lines.ReadString('\n'); err != nil || line != word+"\n" {
			t.Fatalf("heard %q, %v; want %q", line, err, word)
		}
		// As if the time that the line had was over long ago.
		if err := ours.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
}
