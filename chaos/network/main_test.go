package network

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// childVariable makes the test binary a brunt that prepares and injects the
// fault whose configuration it holds, prints the receipt or the error as one
// line, and stays until its standard input ends or it is killed.
const childVariable = "BRUNT_NETWORK_TEST_INJECT"

// TestMain makes the test binary the delaying process where a test starts it
// as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Command {
		os.Exit(Main(nil))
	}
	if text := os.Getenv(childVariable); text != "" {
		fmt.Println(injectAsChild(text))
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}
	chaostest.Main(m, Kind, Mend)
}

func injectAsChild(text string) string {
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err.Error()
	}
	f, err := New(c, chaos.Env{Fault: "child", For: time.Minute})
	if err != nil {
		return err.Error()
	}
	receipt, err := f.Prepare(context.Background())
	if err == nil {
		err = f.Inject(context.Background(), receipt)
	}
	if err != nil {
		return err.Error()
	}
	line, err := json.Marshal(receipt)
	if err != nil {
		return err.Error()
	}
	return string(line)
}
