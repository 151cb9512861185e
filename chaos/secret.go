package chaos

import (
	"slices"
	"strings"
)

// ShortestSecret is the length in bytes from which a variable's value counts
// as one that can be recognised in a text; shorter ones are switches.
const ShortestSecret = 6

// SecretIn finds, among variables written NAME=value, one whose value is part
// of a text that a receipt would keep: one of those listed, or one that is
// called like a secret. Kinds whose receipts hold what a scenario wrote ask it
// before there is a receipt.
func SecretIn(texts, environ, listed []string) (name string, found bool) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if len(value) < ShortestSecret || !secretName(name) && !slices.Contains(listed, name) {
			continue
		}
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, value) }) {
			return name, true
		}
	}
	return "", false
}

// secretName says whether a variable is called like a secret.
func secretName(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "API_KEY", "APIKEY", "ACCESS_KEY", "DSN"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
