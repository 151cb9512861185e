package dns

import (
	"fmt"
	"strings"
)

// A Pattern says which names are meant, in lower case and without the root's
// dot: "a.b" is that name, "*.b" all names below b and not b itself, "*" all.
type Pattern string

// parsePattern reads a pattern as people write it.
func parsePattern(text string) (Pattern, error) {
	if text == "*" {
		return "*", nil
	}
	name := canonical(text)
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	if len(name) > 253 {
		return "", fmt.Errorf("%.40q… is longer than a name can be", text)
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return "", fmt.Errorf("%q is no name", text)
		}
	}
	return Pattern(name), nil
}

// notInLabel is true for what no label of a host's or service's name has.
func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// canonical is how names are compared: without case, which DNS does not have
// for ASCII letters, and without the root's dot.
func canonical(name string) string {
	lower := func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	return strings.Map(lower, strings.TrimSuffix(name, "."))
}

// matches says whether a canonical name is meant.
func (p Pattern) matches(name string) bool {
	if p == "*" {
		return true
	}
	if suffix, ok := strings.CutPrefix(string(p), "*"); ok {
		return strings.HasSuffix(name, suffix) && len(name) > len(suffix)
	}
	return name == string(p)
}

// overlaps says whether some name is meant by both.
func (p Pattern) overlaps(q Pattern) bool {
	pSuffix, pWild := strings.CutPrefix(string(p), "*")
	qSuffix, qWild := strings.CutPrefix(string(q), "*")
	switch {
	case pWild && qWild:
		return strings.HasSuffix(pSuffix, qSuffix) || strings.HasSuffix(qSuffix, pSuffix)
	case pWild:
		return p.matches(string(q))
	default:
		return q.matches(string(p))
	}
}

// example is a name that the pattern means: itself, or a made-up one below its
// suffix.
func (p Pattern) example(label string) string {
	switch suffix, wild := strings.CutPrefix(string(p), "*"); {
	case !wild:
		return string(p)
	case suffix == "":
		return label + ".invalid" // never delegated (RFC 2606)
	default:
		return label + suffix
	}
}
