package http

import "strings"

// shortestSecret is the length from which a variable's value counts as one
// that could be recognised in a text; shorter ones are switches.
const shortestSecret = 6

// secretIn finds a variable that is called like a secret and whose value is
// part of a text.
func secretIn(texts, environ []string) (name string, found bool) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if len(value) < shortestSecret || !secretName(name) {
			continue
		}
		for _, text := range texts {
			if strings.Contains(text, value) {
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
