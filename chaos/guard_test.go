package chaos

import (
	"errors"
	"strings"
	"testing"
)

func TestProtection(t *testing.T) {
	p := Protection{"postgres*", "kube-system/*", "shop-[12]"}
	for _, test := range []struct {
		names []string
		by    string // the entry that protects it
	}{
		{names: []string{"postgres"}, by: "postgres*"},
		{names: []string{"4711", "postgres-main"}, by: "postgres*"}, // any of its names
		{names: []string{"coredns", "kube-system/coredns"}, by: "kube-system/*"},
		{names: []string{"kube-system/a/b"}}, // * is no path
		{names: []string{"shop-2"}, by: "shop-[12]"},
		{names: []string{"shop-3", ""}},
		{names: nil},
	} {
		err := p.Refuse("the target", test.names...)
		if test.by == "" {
			if err != nil {
				t.Errorf("%v: %v", test.names, err)
			}
			continue
		}
		if !errors.Is(err, ErrProtected) || !strings.Contains(err.Error(), test.by) || !strings.Contains(err.Error(), "the target") {
			t.Errorf("%v: %v, want one that names %s", test.names, err, test.by)
		}
	}
	if err := Protection(nil).Refuse("x", "x"); err != nil {
		t.Errorf("nothing protects x: %v", err)
	}
	for entry, good := range map[string]bool{"postgres*": true, "": false, "\ta": false, "shop-[1": false} {
		if err := CheckProtection(entry); (err == nil) != good {
			t.Errorf("CheckProtection(%q) = %v", entry, err)
		}
	}
}

func TestProductionWord(t *testing.T) {
	for name, want := range map[string]string{
		"shop-prod.example":    "prod",
		"PROD":                 "PROD",
		"prod01.example:443":   "prod01",
		"*.live.example":       "live",
		"eks_production_eu":    "production",
		"db.prd.internal":      "prd",
		"products.example":     "",
		"delivery.example":     "",
		"staging-reproduction": "",
		"127.0.0.1":            "",
	} {
		word, found := ProductionWord(name)
		if word != want || found != (want != "") {
			t.Errorf("ProductionWord(%q) = %q, %t; want %q", name, word, found, want)
		}
	}
}
