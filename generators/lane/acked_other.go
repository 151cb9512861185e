//go:build !linux

package lane

// Acknowledged is not known on this system.
func Acknowledged(int) (bytes int64, known bool) { return 0, false }
