package scenarios

import (
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	for _, row := range []struct {
		pattern, address string
		want             bool
	}{
		{"shop.example", "shop.example:443", true},              // any port
		{"shop.example", "shop.example", true},                  // no port at all
		{"shop.example:443", "shop.example:443", true},          // that port
		{"shop.example:443", "shop.example:80", false},          // another
		{"shop.example:443", "shop.example", false},             // none
		{"shop.example", "SHOP.example.:443", true},             // case and the root's dot name the same host
		{"shop.example", "evilshop.example:443", false},         // a host that ends like it
		{"shop.example", "a.shop.example:443", false},           // below it
		{"*.shop.svc", "a.shop.svc:80", true},                   // below a suffix
		{"*.shop.svc", "a.b.shop.svc:80", true},                 // further below
		{"*.shop.svc", "shop.svc:80", false},                    // the suffix itself
		{"*.shop.svc", "ashop.svc:80", false},                   // not a label of its own
		{"*.shop.svc:80", "a.shop.svc:81", false},               // the suffix with a port
		{"10.1.0.0/16", "10.1.2.3:9000", true},                  // in the network
		{"10.1.0.0/16", "10.2.0.1:9000", false},                 // outside
		{"10.1.0.0/16", "shop.example:80", false},               // a name is in no network
		{"10.1.2.3/16", "10.1.9.9:1", true},                     // written with a host's bits
		{"127.0.0.1", "[::ffff:127.0.0.1]:80", true},            // IPv4 written as IPv6
		{"::1", "[::1]:8080", true},                             // IPv6, any port
		{"[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", true},          // the same address in full
		{"[::1]:8080", "[::1]:8081", false},                     // another port
		{"fd00::/8", "[fd12::1]:80", true},                      // an IPv6 network
		{"fe80::/10", "[fe80::1%eth0]:80", true},                // with a zone
		{"127.0.0.1:80", "127.0.0.1.evil.example:80", false},    // a name that begins like an address
		{"unix:/run/app.sock", "unix:/run/app.sock", true},      // that socket
		{"unix:/run/app.sock", "unix:/run/b/../app.sock", true}, // by another way to write it
		{"unix:/run/app.sock", "unix:/run/app.sock2", false},    // a path that begins like it
		{"unix:/run", "unix:/run/app.sock", false},              // a folder allows nothing in it
		{"unix:@app", "unix:@app", true},                        // an abstract socket
		{"unix:@app", "unix:/app", false},                       // is not one with a path
		{"unix", "unix:/run/app.sock", false},                   // a host of that name is no socket
		{"unix:80", "unix:80", true},                            // and has ports
		{"unix:/run/app.sock", "unix", false},                   // nor is a socket a host
		{"10.1.0.0/16", "unix:/run/app.sock", false},            // a network has no sockets
	} {
		p, terr := parseHostPattern(row.pattern)
		if terr != nil {
			t.Errorf("%s: %v", row.pattern, terr)
			continue
		}
		g := guard{patterns: []hostPattern{p}}
		err := g.Allow(row.address)
		if got := err == nil; got != row.want {
			t.Errorf("%s allows %s: %v, want %v", row.pattern, row.address, got, row.want)
		}
		if err != nil && !strings.Contains(err.Error(), row.pattern) {
			t.Errorf("the refusal does not say what is allowed: %v", err)
		}
	}
}

func TestGuardAllowsNothingByDefault(t *testing.T) {
	if err := (&guard{}).Allow("127.0.0.1:80"); err == nil {
		t.Error("an empty guard allows something")
	}
}

func FuzzParseHostPattern(f *testing.F) {
	for _, s := range []string{"shop.example:443", "*.a", "10.0.0.0/8", "[::1]:80", "::1", "a:b:c", "*", "[", "http://a/", "unix:/a", "unix:@", "unix:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseHostPattern(text)
		if err != nil {
			return
		}
		if p.host == "" && !p.prefix.IsValid() && p.socket == "" {
			t.Fatalf("%q matches without naming anything: %+v", text, p)
		}
		g := guard{patterns: []hostPattern{p}}
		if g.Allow("anything.invalid:1") == nil && !strings.Contains(strings.ToLower(text), "invalid") {
			t.Fatalf("%q allows what it does not name", text)
		}
	})
}
