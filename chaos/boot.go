package chaos

import (
	"os"
	"strings"
)

// BootID names the present boot of this machine; empty where the system has no
// name for it.
func BootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
