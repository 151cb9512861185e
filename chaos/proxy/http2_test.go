package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// h2 is a client of HTTP/2 in the clear.
func h2(t *testing.T) *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: hang}
}

func TestHTTP2(t *testing.T) {
	s := serveOn(t, site(t))
	url := "http://" + s.listener.Addr().String()
	s.must(t, nobody)
	c := h2(t)
	for _, ask := range []struct{ method, path, body, want string }{
		{"GET", "/hello", "", "200 5 [] ||||false 5:hello <nil>"},
		{"HEAD", "/hello", "", "200 5 [] ||||false 0: <nil>"},
		{"POST", "/echo", "over HTTP/2", "200 11 [] 11||||false 11:over HTTP/2 <nil>"},
		{"GET", "/stream", "", "200 -1 [] ||42||false 150:part 0;part 1;part 2;part 3;part 4;part 5;part 6;part 7;part <nil>"},
		{"GET", "/none", "", "204 0 [] ||||false 0: <nil>"},
	} {
		var body io.Reader
		if ask.body != "" {
			body = strings.NewReader(ask.body)
		}
		if got, _ := visit(t, c, ask.method, url+ask.path, body); got != ask.want {
			t.Errorf("%s %s: %s, want %s", ask.method, ask.path, got, ask.want)
		}
	}
	// Rules come and go on the live connection.
	for _, test := range []struct {
		rule HTTPRule
		path string
		want string
	}{
		{HTTPRule{Abort: 503}, "/hello", "503 20 [] ||||false 20:Service Unavailable\n <nil>"},
		{HTTPRule{Answer: &Patch{Status: 500, Set: map[string]string{"X-New": "1"}, Replace: map[string]string{"hello": "bye"}}}, "/hello", "500 3 [] |||1|false 3:bye <nil>"},
		{HTTPRule{Ask: &Patch{Set: map[string]string{"X-Say": "boo"}}}, "/hello", "200 5 [] |boo|||false 5:hello <nil>"},
		{HTTPRule{Delay: time.Millisecond}, "/hello", "200 5 [] ||||false 5:hello <nil>"},
	} {
		if err := s.inject("test", []Toxic{{Type: httpType, Share: 1, HTTP: &test.rule}}, time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, reused := visit(t, c, "GET", url+test.path, nil); strings.ReplaceAll(got, "\n", "\\n") != strings.ReplaceAll(test.want, "\n", "\\n") || !reused {
			t.Errorf("%+v: %s, reused %v; want %s", test.rule, got, reused, test.want)
		}
		if !(ActiveToxic{Toxic: s.toxics()[0].Toxic, Counters: s.toxics()[0].counters()}).effective() {
			t.Errorf("%+v: not effective: %+v", test.rule, s.toxics()[0].counters())
		}
	}
	s.clear()
	if got, reused := visit(t, c, "GET", url+"/hello", nil); !strings.HasPrefix(got, "200 ") || !reused {
		t.Errorf("after: %s, reused %v", got, reused)
	}
	c.CloseIdleConnections()
	waitFor(t, "the end of the connection", func() bool { return s.state().Connections == 0 })
}

// A gRPC call gets its status without an answer's body; what is no call, passes.
func TestGRPC(t *testing.T) {
	s := serveOn(t, site(t))
	s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{GRPC: 14, Path: "/echo"}})
	url := "http://" + s.listener.Addr().String() + "/echo"
	c := h2(t)
	r, err := http.NewRequest("POST", url, strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc+proto")
	r.Header.Set("Te", "trailers")
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if h := response.Header; err != nil || len(text) > 0 || response.StatusCode != 200 || h.Get("Grpc-Status") != "14" || h.Get("Content-Type") != "application/grpc" {
		t.Errorf("%d %v %q, %v", response.StatusCode, response.Header, text, err)
	}
	if got, _ := visit(t, c, "POST", url, strings.NewReader("plain")); !strings.HasPrefix(got, "200 ") {
		t.Error(got)
	}
	c.CloseIdleConnections()
}
