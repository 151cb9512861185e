package kube

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// NameFor is an object's name that no other has: the fault's, as far as names go,
// and chance.
func NameFor(fault string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(fault) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	var chance [4]byte
	_, _ = rand.Read(chance[:]) // never fails
	return "brunt-" + strings.Trim(name[:min(len(name), 40)], "-") + "-" + hex.EncodeToString(chance[:])
}
