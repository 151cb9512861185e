package exec

import (
	"slices"
	"strings"
)

// shortestSecret is the length from which a variable's value counts as one
// that could be recognised in an argument; shorter ones are switches.
const shortestSecret = 6

// secretIn finds a variable whose value is part of an argument: one of those
// listed, or one that is called like a secret.
func secretIn(argv, listed, environ []string) (name string, found bool) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if len(value) < shortestSecret || !secretName(name) && !slices.Contains(listed, name) {
			continue
		}
		for _, arg := range argv {
			if strings.Contains(arg, value) {
				return name, true
			}
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
