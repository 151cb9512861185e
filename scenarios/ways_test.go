package scenarios

import (
	"strings"
	"testing"
)

// Where a load's connections go is what has to be in the target, not what its
// URLs say.
func TestWaysToTheTarget(t *testing.T) {
	for _, row := range []struct {
		name  string
		hosts string
		http  string
		want  []string // parts of the problems, in order
	}{
		{"a socket of the target", `["unix:/run/app.sock"]`, `{ base: "http://localhost", unix: /run/app.sock }`, nil},
		{"a socket from a variable", `["unix:/run/app.sock"]`, `{ base: "http://localhost", unix: "/run/${socket}.sock" }`, nil},
		{"another socket", `["unix:/run/app.sock", localhost]`, `{ base: "http://localhost", unix: /run/other.sock }`, []string{"the socket /run/other.sock is outside the target"}},
		{"the host does not allow the socket", `[localhost]`, `{ base: "http://localhost", unix: /run/app.sock }`, []string{"/run/app.sock is outside"}},
		{"other addresses for a host", `["10.1.0.0/16"]`, `{ base: "https://shop.example", connect_to: { "Shop.example:443": ["10.1.2.3:443", "10.1.2.4:443"] } }`, nil},
		{"a lone address for a host", `["10.1.0.0/16"]`, `{ base: "https://shop.example", connect_to: { "shop.example:443": "10.1.2.3:443" } }`, nil},
		{"addresses outside the target", `["10.1.0.0/16"]`, `{ base: "https://shop.example", connect_to: { "shop.example:443": ["10.1.2.3:443", "10.2.2.4:443"] } }`, []string{"10.2.2.4:443 is outside"}},
		{"another port of the host", `["10.1.0.0/16"]`, `{ base: "https://shop.example:444", connect_to: { "shop.example:443": ["10.1.2.3:443"] } }`, []string{"shop.example:444 is outside"}},
		{"a proxy of the target", `[shop.example, "proxy.example:3128"]`, `{ base: "http://shop.example", proxy: "http://u:p@proxy.example:3128" }`, nil},
		{"another proxy", `[shop.example]`, `{ base: "http://shop.example", proxy: "http://u:p@proxy.example:3128" }`, []string{"proxy.example:3128 is outside"}},
		{"a proxy is no way around", `["proxy.example:3128"]`, `{ base: "http://shop.example", proxy: "socks5://proxy.example:3128" }`, []string{"shop.example:80 is outside"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			src := "version: 1\nname: ways\ntarget: { hosts: " + row.hosts + " }\nvars: { socket: app }\nloads:\n  l:\n    http: " + row.http +
				"\n    steps: [{ get: / }]\nphases: [{ name: p, for: 1m, load: { l: 5/s } }]\n"
			_, err := Parse("ways.yaml", []byte(src), testKinds(), Options{})
			if len(row.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if n := strings.Count(err.Error(), codeOutside); n != len(row.want) {
				t.Errorf("%d problems, want %d:\n%v", n, len(row.want), err)
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no problem says %q:\n%v", want, err)
				}
			}
		})
	}
}
