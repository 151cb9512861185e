package main

import (
	"fmt"
	"os"
	"strings"
)

// A user can sign in to the API server with a token. Who may do what is RBAC's
// to say, so a test binds the restricted ones to what it needs.
type user struct{ name, token, groups string }

const adminToken = "lab-admin-token"

// users: the first may do everything; view may read everything but secrets;
// the others may do nothing that nobody grants them.
var users = []user{
	{"admin", adminToken, "system:masters"},
	{"view", "lab-view-token", "lab:viewers"},
	{"user-1", "lab-user-1-token", ""},
	{"user-2", "lab-user-2-token", ""},
	{"user-3", "lab-user-3-token", ""},
	{"user-4", "lab-user-4-token", ""},
	// Its token is in the kubeconfig and unknown to the API server, as one that has expired is.
	{"expired", "lab-expired-token", ""},
}

// writeTokens writes the file of --token-auth-file.
func writeTokens(file string) error {
	var b strings.Builder
	for _, u := range users {
		if u.name != "expired" {
			fmt.Fprintf(&b, "%s,%s,%s,%s\n", u.token, u.name, u.name, u.groups)
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	return nil
}
