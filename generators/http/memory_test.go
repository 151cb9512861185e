package http

import "testing"

// What is spoken decides what a session takes; a URL that is made of templates
// may lead to TLS.
func TestSessionMemory(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   int64
	}{
		{Config{Get: "http://shop.test/"}, clearSession},
		{Config{Steps: []Step{{Get: "http://shop.test/"}, {Think: "1s"}, {Get: "https://shop.test/"}}, Protocol: "h1"}, tlsSession},
		{Config{Steps: []Step{{Get: "http://shop.test/", Extract: map[string]string{"url": "header:Location"}}, {Get: "${url}"}}, Protocol: "h1"}, tlsSession},
		{Config{Get: "https://shop.test/"}, h2Session},
		{Config{Get: "http://shop.test/", Protocol: "h2c"}, h2Session},
		{Config{Get: "https://shop.test/", Protocol: "h3"}, h3Session},
	} {
		g, _ := generatorOf(t, test.config)
		if got := g.SessionMemory(); got != test.want {
			t.Errorf("%+v: %d bytes, want %d", test.config, got, test.want)
		}
	}
}
