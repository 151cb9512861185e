package proxy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config is one fault on the connections through one proxy.
type Config struct {
	On        string        `yaml:"on" required:"true" doc:"The proxy, by its name under target.proxies, or by the name that Toxiproxy knows it by." example:"payments"`
	Latency   time.Duration `yaml:"latency" doc:"How much longer a round trip takes. With direction both, each way takes half of it, so that a request and its answer are this much later together; with one direction, that way takes all of it." min:"0s" example:"80ms"`
	Jitter    time.Duration `yaml:"jitter" doc:"The latency of a round trip varies evenly by up to this much either way; what is sent never overtakes." min:"0s" example:"20ms"`
	Bandwidth int64         `yaml:"bandwidth" unit:"bandwidth" doc:"How much gets through, all connections together, each way by itself." min:"1B/s" example:"1MiB/s"`
	Slicer    *Slicer       `yaml:"slicer" doc:"Cut what is sent into small pieces that leave one by one; a size alone will do." example:"64B"`
	Limit     int64         `yaml:"limit" unit:"bytes" doc:"Close a connection once this much has passed on one way of it since the fault began." min:"1B" example:"10KiB"`
	Timeout   time.Duration `yaml:"timeout" doc:"Nothing comes out, and the connection is closed after this long." min:"0s" example:"5s"`
	HalfOpen  string        `yaml:"half_open" doc:"This side of each connection is gone and the other one is not told: what it sends is taken, and nothing comes back. After the undo it is reset." enum:"client,upstream"`
	Reset     bool          `yaml:"reset" doc:"Cut live and new connections with a TCP reset."`
	Blackhole bool          `yaml:"blackhole" doc:"Nothing comes out; connections stay open, and what was sent arrives after the undo, as it would after a partition."`
	SlowClose time.Duration `yaml:"slow_close" doc:"Ends of streams pass through this much later." min:"0s" example:"2s"`
	HTTP      *HTTP         `yaml:"http" doc:"Harm requests rather than connections: HTTP/1 and HTTP/2 in the clear, gRPC too."`
	TLS       *TLS          `yaml:"tls" doc:"Spoil the TLS handshake of new connections; what is wrong with it alone will do." example:"expired"`
	Reconnect bool          `yaml:"reconnect" doc:"Cut live connections once when the fault begins, so that clients make new ones: TLS faults and HTTP faults on HTTP/2 meet only those."`
	Direction string        `yaml:"direction" doc:"Which way is harmed. The direction upstream is what clients send, downstream what they receive. Of reset, half_open, http and tls there is no direction." enum:"both,upstream,downstream" default:"both"`
	Share     float64       `yaml:"share" unit:"ratio" doc:"The share that is harmed, chosen by the seed: of connections or, with http, of requests that match." default:"100%" min:"0%" max:"100%"`
	TTL       time.Duration `yaml:"ttl" doc:"After this long the proxy ends the fault by itself, whatever became of brunt; by default 10s after the fault's planned end. Toxiproxy cannot do that." min:"0s"`
	Toxiproxy string        `yaml:"toxiproxy" doc:"The address of a Toxiproxy's HTTP API, to set the fault there instead of on a proxy of brunt's. Its toxics have names that begin with brunt_, and only those are ever taken away." example:"http://127.0.0.1:8474"`
	Probe     string        `yaml:"probe" doc:"With toxiproxy, what to send through it to feel the fault, which Toxiproxy does not tell: a request that any answer will do for." example:"PING\\r\\n"`
}

// Slicer is how small the pieces are, and how far apart.
type Slicer struct {
	Size      int64         `yaml:"size" unit:"bytes" scalar:"true" required:"true" doc:"How large the pieces are." min:"1B" example:"64B"`
	Variation int64         `yaml:"variation" unit:"bytes" doc:"Sizes vary evenly by up to this much either way." min:"0B" example:"32B"`
	Delay     time.Duration `yaml:"delay" doc:"The time between two pieces of a connection." min:"0s" example:"10ms"`
}

// TLS is what is wrong with handshakes.
type TLS struct {
	Fault string `yaml:"fault" scalar:"true" required:"true" doc:"What is wrong: the certificate has expired, is for another host, or is signed by itself, or the handshake never goes on." enum:"expired,wrong_host,self_signed,stall"`
	CA    string `yaml:"ca" doc:"A CA's certificate, a PEM file, that clients trust, so that nothing else is wrong with an expired certificate or one for another host." example:"ca.pem"`
	CAKey string `yaml:"ca_key" doc:"That CA's key, a PEM file." example:"ca-key.pem"`
}

// HTTP is what happens to which requests.
type HTTP struct {
	Method   []string      `yaml:"method" doc:"Only requests with one of these methods." example:"POST"`
	Path     string        `yaml:"path" doc:"Only requests for such a path: * stands for anything within a segment, ** for anything at all. A query does not count." example:"/charge/*"`
	First    int64         `yaml:"first" doc:"Only the first so many requests that match." min:"1" example:"3"`
	Delay    time.Duration `yaml:"delay" doc:"Pass requests on this much later." min:"0s" example:"300ms"`
	Jitter   time.Duration `yaml:"jitter" doc:"The delay varies evenly by up to this much either way." min:"0s" example:"50ms"`
	Abort    int           `yaml:"abort" doc:"Answer with this status; the upstream never sees the request." min:"200" max:"599" example:"503"`
	GRPC     string        `yaml:"grpc" doc:"Answer gRPC calls with this status; the upstream never sees them. The names are those of gRPC." example:"UNAVAILABLE"`
	Request  *Change       `yaml:"request" doc:"Change requests on their way."`
	Response *Reply        `yaml:"response" doc:"Change responses on their way: the upstream has done its work, and the client is told something else."`
}

// Change is what becomes of a request or a response.
type Change struct {
	Set     map[string]string `yaml:"set" doc:"Header fields to set."`
	Remove  []string          `yaml:"remove" doc:"Header fields to remove." example:"ETag"`
	Body    string            `yaml:"body" doc:"Another body, where there is one."`
	Replace map[string]string `yaml:"replace" doc:"Texts in the body to replace, in bodies of up to 4 MiB that are not compressed."`
}

// Reply is what becomes of a response.
type Reply struct {
	Status int `yaml:"status" doc:"Another status." min:"200" max:"599" example:"500"`
	Change `yaml:",inline"`
}

func (c Change) patch() *Patch {
	p := &Patch{Set: c.Set, Remove: c.Remove, Replace: c.Replace}
	if c.Body != "" {
		p.Body = &c.Body
	}
	return p
}

func (c Change) empty() bool {
	return len(c.Set) == 0 && len(c.Remove) == 0 && c.Body == "" && len(c.Replace) == 0
}

// Validate reports a fault that would do nothing, or that no toxic can make.
func (c Config) Validate(report func(field, message, hint string)) {
	if len(c.parts()) == 0 {
		report("", "nothing is to be done to the connections",
			"give at least one of latency, bandwidth, slicer, limit, timeout, half_open, reset, blackhole, slow_close, http and tls")
	}
	if c.Jitter > c.Latency {
		report("jitter", fmt.Sprintf("the jitter of %s is more than the latency of %s, and nothing can arrive before it was sent", c.Jitter, c.Latency),
			"raise latency to at least the jitter")
	}
	for field, value := range map[string]float64{
		"latency": float64(c.Latency), "jitter": float64(c.Jitter), "bandwidth": float64(c.Bandwidth), "limit": float64(c.Limit),
		"timeout": float64(c.Timeout), "slow_close": float64(c.SlowClose), "share": c.Share, "ttl": float64(c.TTL),
	} {
		if value < 0 {
			report(field, "it is negative", "")
		}
	}
	if c.Share > 1 {
		report("share", "it is more than 100%", "")
	}
	if !slices.Contains([]string{"", both, string(upstream), string(downstream)}, c.Direction) {
		report("direction", fmt.Sprintf("%q is no direction", c.Direction), "both, upstream or downstream")
	}
	if !slices.Contains([]string{"", "client", "upstream"}, c.HalfOpen) {
		report("half_open", fmt.Sprintf("%q is no side of a connection", c.HalfOpen), "client or upstream")
	}
	if c.Timeout > 0 && c.Blackhole {
		report("timeout", "a blackhole keeps connections open, and a timeout closes them", "remove timeout or blackhole")
	}
	if s := c.Slicer; s != nil && (s.Size <= 0 || s.Variation < 0 || s.Variation >= s.Size || s.Delay < 0) {
		report("slicer", "pieces would have no size", "give a size above its variation")
	}
	if c.Reconnect && c.HTTP == nil && c.TLS == nil {
		report("reconnect", "there is no need to: the fault meets live connections too", "remove reconnect; reset cuts connections for as long as the fault lasts")
	}
	c.validateHTTP(report)
	if c.TLS != nil {
		if err := checkTLS(Toxic{TLS: c.TLS.rule()}); err != nil {
			report("tls", err.Error(), strings.Join(tlsFaults, ", "))
		}
	}
	c.validateToxiproxy(report)
}

func (c Config) validateHTTP(report func(field, message, hint string)) {
	h := c.HTTP
	if h == nil {
		return
	}
	if h.Request != nil && h.Request.empty() {
		report("http.request", "nothing is to be changed", "give set, remove, body or replace")
	}
	if h.Response != nil && h.Response.Status == 0 && h.Response.empty() {
		report("http.response", "nothing is to be changed", "give status, set, remove, body or replace")
	}
	if h.GRPC != "" && !slices.Contains(grpcCodes[1:], h.GRPC) {
		report("http.grpc", fmt.Sprintf("%q is no gRPC status of a failed call", h.GRPC), "UNAVAILABLE, for one")
		return
	}
	if h.GRPC != "" && h.Abort != 0 {
		report("http.grpc", "a call is answered either with a gRPC status or with an HTTP status", "remove grpc or abort")
	}
	if err := checkHTTP(Toxic{HTTP: h.rule()}); err != nil {
		report("http", err.Error(), "give at least one of delay, abort, grpc, request and response")
	}
}

func (c Config) validateToxiproxy(report func(field, message, hint string)) {
	if c.Toxiproxy == "" {
		if c.Probe != "" {
			report("probe", "brunt's own proxies count what they do; there is no need to probe", "remove probe")
		}
		return
	}
	if u, err := url.Parse(c.Toxiproxy); err != nil || u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		report("toxiproxy", fmt.Sprintf("%q is no address of an HTTP API", c.Toxiproxy), "write http://127.0.0.1:8474")
	}
	for field, given := range map[string]bool{"http": c.HTTP != nil, "tls": c.TLS != nil, "half_open": c.HalfOpen != ""} {
		if given {
			report(field, "Toxiproxy has no such toxic", "put a proxy of brunt's under target.proxies, and leave toxiproxy away")
		}
	}
	if c.TTL > 0 {
		report("ttl", "Toxiproxy does not end toxics by itself", "remove ttl: the lease ends the fault")
	}
}

func (h *HTTP) rule() *HTTPRule {
	r := &HTTPRule{
		Methods: h.Method, Path: h.Path, First: h.First, Delay: h.Delay, Jitter: h.Jitter,
		Abort: h.Abort,
	}
	if h.Request != nil {
		r.Ask = h.Request.patch()
	}
	if h.Response != nil {
		r.Answer = h.Response.patch()
		r.Answer.Status = h.Response.Status
	}
	if h.GRPC != "" {
		r.GRPC = slices.Index(grpcCodes, h.GRPC)
	}
	return r
}

func (t *TLS) rule() *TLSRule { return &TLSRule{Fault: t.Fault, CA: t.CA, CAKey: t.CAKey} }

// toxics are what the fault sets on its proxy. The latency of a round trip is
// shared out over the ways it takes.
func (c Config) toxics(seed uint64) []Toxic {
	ways := []Way{upstream, downstream}
	if c.Direction != "" && c.Direction != both {
		ways = []Way{Way(c.Direction)}
	}
	share := c.Share
	if share == 0 {
		share = 1
	}
	var toxics []Toxic
	add := func(t Toxic) {
		t.Share, t.Seed = share, seed
		toxics = append(toxics, t)
	}
	if c.Reset {
		add(Toxic{Type: resetType})
	}
	switch c.HalfOpen {
	case "client":
		add(Toxic{Type: halfOpenType, Way: downstream})
	case "upstream":
		add(Toxic{Type: halfOpenType, Way: upstream})
	}
	if c.TLS != nil {
		add(Toxic{Type: tlsType, TLS: c.TLS.rule(), Reconnect: c.Reconnect})
	}
	if c.HTTP != nil {
		rule := c.HTTP.rule()
		add(Toxic{Type: httpType, Label: rule.label(), HTTP: rule, Reconnect: c.Reconnect})
	}
	for _, way := range ways {
		if c.Bandwidth > 0 {
			add(Toxic{Type: bandwidthType, Way: way, Rate: c.Bandwidth})
		}
		if s := c.Slicer; s != nil {
			add(Toxic{Type: slicerType, Way: way, Bytes: s.Size, Variation: s.Variation, Delay: s.Delay})
		}
		if c.Latency > 0 {
			n := time.Duration(len(ways))
			add(Toxic{Type: latencyType, Way: way, Delay: c.Latency / n, Jitter: c.Jitter / n})
		}
		if c.SlowClose > 0 {
			add(Toxic{Type: slowCloseType, Way: way, Delay: c.SlowClose})
		}
		if c.Limit > 0 {
			add(Toxic{Type: limitType, Way: way, Bytes: c.Limit})
		}
		if c.Timeout > 0 {
			add(Toxic{Type: timeoutType, Way: way, Delay: c.Timeout})
		}
		if c.Blackhole {
			add(Toxic{Type: blackholeType, Way: way})
		}
	}
	return toxics
}

// What says what the fault does: "latency 80ms ±20ms on payments".
func What(c Config) string {
	what := strings.Join(c.parts(), " and ") + " on " + c.On
	if c.Direction != "" && c.Direction != both {
		what += ", " + c.Direction
	}
	if c.Share > 0 && c.Share < 1 {
		of := "connections"
		if c.HTTP != nil {
			of = "requests"
		}
		what += fmt.Sprintf(", for %.4g%% of %s", 100*c.Share, of)
	}
	if c.Toxiproxy != "" {
		what += ", through Toxiproxy"
	}
	return what
}

// parts are the things that the fault does, in words.
func (c Config) parts() []string {
	var parts []string
	if c.Latency > 0 {
		parts = append(parts, spread("latency", c.Latency, c.Jitter))
	}
	if c.Bandwidth > 0 {
		parts = append(parts, "bandwidth "+byteRate(float64(c.Bandwidth)))
	}
	if c.Slicer != nil {
		parts = append(parts, fmt.Sprintf("slices of %d bytes", c.Slicer.Size))
	}
	if c.Limit > 0 {
		parts = append(parts, fmt.Sprintf("limit of %d bytes", c.Limit))
	}
	if c.Timeout > 0 {
		parts = append(parts, "timeout after "+c.Timeout.String())
	}
	if c.HalfOpen != "" {
		parts = append(parts, "half-open connections, "+c.HalfOpen+" gone,")
	}
	if c.Reset {
		parts = append(parts, "reset")
	}
	if c.Blackhole {
		parts = append(parts, "blackhole")
	}
	if c.SlowClose > 0 {
		parts = append(parts, "slow close "+c.SlowClose.String())
	}
	if c.HTTP != nil {
		parts = append(parts, c.HTTP.what())
	}
	if c.TLS != nil {
		parts = append(parts, "TLS "+strings.ReplaceAll(c.TLS.Fault, "_", " "))
	}
	return parts
}

// what says what happens to which requests: "HTTP abort 503 of POST /charge/*".
func (h *HTTP) what() string {
	var does []string
	if h.Delay > 0 {
		does = append(does, spread("delay", h.Delay, h.Jitter))
	}
	if h.Abort != 0 {
		does = append(does, fmt.Sprintf("abort %d", h.Abort))
	}
	if h.GRPC != "" {
		does = append(does, "gRPC status "+h.GRPC)
	}
	if h.Request != nil {
		does = append(does, "changed requests")
	}
	if h.Response != nil {
		does = append(does, "changed responses")
	}
	what := "HTTP " + strings.Join(does, ", ")
	switch {
	case len(h.Method) > 0 && h.Path != "":
		what += " of " + strings.Join(h.Method, ",") + " " + h.Path
	case len(h.Method) > 0 || h.Path != "":
		what += " of " + strings.Join(h.Method, ",") + h.Path
	}
	if h.First > 0 {
		what += fmt.Sprintf(", the first %d,", h.First)
	}
	return what
}

func spread(name string, d, jitter time.Duration) string {
	if jitter > 0 {
		return fmt.Sprintf("%s %s ±%s", name, d, jitter)
	}
	return name + " " + d.String()
}
