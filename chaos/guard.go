package chaos

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
)

// ErrProtected marks a target that no fault may touch.
var ErrProtected = errors.New("protected")

// A Protection is a list of names, or patterns of names, of what no fault may
// touch: safety.protect of the scenario. In a pattern * stands for any number
// of characters other than /, ? for one, and [ab] for a choice. The zero value
// protects nothing. It is not changed once made.
type Protection []string

// CheckProtection says what is wrong with an entry of safety.protect.
func CheckProtection(entry string) error {
	if strings.TrimSpace(entry) != entry || entry == "" {
		return fmt.Errorf("%q is no name of something to be protected", entry)
	}
	if _, err := path.Match(entry, ""); err != nil {
		return fmt.Errorf("%q is no pattern of names: a bracket is not closed", entry)
	}
	return nil
}

// Refuse returns an error that wraps ErrProtected when any of the names that a
// target goes by is protected. Kinds ask it in Prepare, for every target, with
// all of its names: a process's program and unit, a container's name, a pod's
// name, namespace/name and owner. target is what people call it.
func (p Protection) Refuse(target string, names ...string) error {
	for _, entry := range p {
		for _, name := range names {
			if name == "" {
				continue
			}
			if matched, err := path.Match(entry, name); err == nil && matched {
				return fmt.Errorf("%s is %w: safety.protect has %q", target, ErrProtected, entry)
			}
		}
	}
	return nil
}

// ProductionWord finds the part of a name (a host, a context, a namespace)
// that makes it look like production: prod, prd, production or live as a word
// of its own, whatever its case and with digits after it or without.
// "shop-prod2.example" has one; "products.example" and "delivery" have none.
func ProductionWord(name string) (word string, found bool) {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch strings.ToLower(strings.TrimRightFunc(part, unicode.IsDigit)) {
		case "prod", "prd", "production", "live":
			return part, true
		}
	}
	return "", false
}
