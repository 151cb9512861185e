package http

import (
	"time"
)

// Config is what a scenario says under `http:`. Zero values mean the
// defaults that the tags name.
type Config struct {
	Base        string            `yaml:"base" doc:"URL that the paths of the steps are appended to." example:"https://shop.staging.svc"`
	Protocol    string            `yaml:"protocol" doc:"HTTP version: auto takes HTTP/2 when the server offers it over TLS, HTTP/1.1 otherwise; HTTP/3 is taken only when it is asked for." enum:"auto,h1,h2,h2c,h3" default:"auto"`
	Timeout     time.Duration     `yaml:"timeout" doc:"The longest an operation may take, connecting included, counted from when it started." default:"10s" min:"1ms"`
	Connections Connections       `yaml:"connections" doc:"How connections are shared, kept and renewed."`
	Headers     map[string]string `yaml:"headers" doc:"Header fields sent with every request." template:"true"`
	TLS         TLS               `yaml:"tls" doc:"How servers are verified, which certificate is shown to them, and whether TLS sessions are resumed."`
	Redirects   int               `yaml:"redirects" doc:"How many redirects an operation follows; 0 takes a redirect as the answer." default:"0" min:"0" max:"50"`
	Cookies     bool              `yaml:"cookies" doc:"Whether each session keeps the cookies it is given." default:"false"`
	Compression bool              `yaml:"compression" doc:"Whether compressed bodies (gzip, br, zstd, deflate) are asked for and decoded." default:"false"`
	ServedBy    string            `yaml:"served_by" doc:"The header field of answers that names who served them, such as a pod, for reports of which replicas the load reaches; it keeps a load off the fast path." example:"X-Served-By"`
	MaxBody     int64             `yaml:"max_body" doc:"The longest body that is kept for checks and extractions; a longer one fails them." unit:"bytes" default:"10MiB" min:"1B"`

	// How connections get there, when it is not straight to the URL's host.
	Proxy     string              `yaml:"proxy" doc:"The proxy that all connections go through, http:// (CONNECT for https) or socks5://; it must be among the target's hosts, too." example:"http://${PROXY_USER}:${PROXY_PASSWORD}@proxy.staging:3128"`
	Unix      string              `yaml:"unix" doc:"The Unix socket that all connections go to; the URL still gives Host and path. The target's hosts name it as unix:PATH." example:"/run/app.sock"`
	Source    []string            `yaml:"source" doc:"Local IP addresses that new connections come from, in turn." example:"[10.0.0.1, 10.0.0.2]"`
	ConnectTo map[string][]string `yaml:"connect_to" doc:"Addresses that new connections to a host:port go to instead, in turn; Host and the TLS name stay. These must be among the target's hosts." example:"{ \"shop.example:443\": [\"10.1.2.3:443\", \"10.1.2.4:443\"] }"`

	Precision time.Duration `yaml:"precision" doc:"How late an arrival may go out so that several share one waking; it shows as wait." default:"120us" min:"0s"`

	Steps []Step `yaml:"steps" doc:"The flow that each arrival plays, in order."`

	// A load of one request needs no steps.
	Get     string            `yaml:"get" doc:"The URL of a GET request; for a load without steps." template:"true" scalar:"true" example:"/products"`
	Post    string            `yaml:"post" doc:"The URL of a POST request; for a load without steps." template:"true"`
	Put     string            `yaml:"put" doc:"The URL of a PUT request; for a load without steps." template:"true"`
	Patch   string            `yaml:"patch" doc:"The URL of a PATCH request; for a load without steps." template:"true"`
	Delete  string            `yaml:"delete" doc:"The URL of a DELETE request; for a load without steps." template:"true"`
	Head    string            `yaml:"head" doc:"The URL of a HEAD request; for a load without steps." template:"true"`
	Options string            `yaml:"options" doc:"The URL of an OPTIONS request; for a load without steps." template:"true"`
	Name    string            `yaml:"name" doc:"The name of the request in reports; for a load without steps."`
	Query   map[string]string `yaml:"query" doc:"Query parameters added to the URL, escaped; for a load without steps." template:"true"`
	JSON    any               `yaml:"json" doc:"The body, as any YAML value, sent as JSON; for a load without steps." template:"true"`
	Body    string            `yaml:"body" doc:"The body, as text; for a load without steps." template:"true"`
	Form    map[string]string `yaml:"form" doc:"The body, as fields of an HTML form; for a load without steps." template:"true"`
	Check   *Check            `yaml:"check" doc:"What the answer must be; for a load without steps."`
}

// Connections says how a generator's sessions use connections.
type Connections struct {
	Max         int           `yaml:"max" doc:"How many connections all sessions share; 0 gives each session its own." default:"0" min:"0"`
	MaxAge      time.Duration `yaml:"max_age" doc:"The age at which a connection is replaced, up to a tenth earlier so that not all are at once; 0 never does." default:"0s" min:"0s"`
	MaxRequests int           `yaml:"max_requests" doc:"How many requests a connection carries before it is replaced; 0 is no limit." default:"0" min:"0"`
	KeepAlive   *bool         `yaml:"keep_alive" doc:"Whether a connection is kept for the next request. One that the server closes while it lies idle is made anew; a request that meets the close is sent again only where the server provably never took it." default:"true"`
}

// TLS says how a generator speaks TLS.
type TLS struct {
	Insecure   bool   `yaml:"insecure" doc:"Whether certificates go unverified." default:"false"`
	CA         string `file:"true" yaml:"ca" doc:"PEM file of the authorities that servers are verified against, instead of the system's." example:"ca.pem"`
	Cert       string `file:"true" yaml:"cert" doc:"PEM file of the certificate shown to servers." example:"client.pem"`
	Key        string `file:"true" yaml:"key" doc:"PEM file of that certificate's key." example:"client-key.pem"`
	ServerName string `yaml:"server_name" doc:"The name asked for and verified instead of the URL's host."`
	MinVersion string `yaml:"min_version" doc:"The oldest TLS version that is accepted." enum:"1.0,1.1,1.2,1.3" default:"1.2"`
	MaxVersion string `yaml:"max_version" doc:"The newest TLS version that is offered." enum:"1.0,1.1,1.2,1.3" default:"1.3"`
	Resume     *bool  `yaml:"resume" doc:"Whether a session's new connections resume the TLS sessions of its earlier ones, as a browser's do; otherwise each handshake is a full one." default:"true"`
}

// A Step is one request of a flow, or the think time before the next.
type Step struct {
	Get     string `yaml:"get" doc:"The path or URL of a GET request." template:"true" example:"/products?page=${rand(1,40)}"`
	Post    string `yaml:"post" doc:"The path or URL of a POST request." template:"true"`
	Put     string `yaml:"put" doc:"The path or URL of a PUT request." template:"true"`
	Patch   string `yaml:"patch" doc:"The path or URL of a PATCH request." template:"true"`
	Delete  string `yaml:"delete" doc:"The path or URL of a DELETE request." template:"true"`
	Head    string `yaml:"head" doc:"The path or URL of a HEAD request." template:"true"`
	Options string `yaml:"options" doc:"The path or URL of an OPTIONS request." template:"true"`
	Think   string `yaml:"think" doc:"A pause instead of a request: a duration, or lognormal(p50=2s, p95=8s), exponential(mean=1s), uniform(1s, 3s)." example:"lognormal(p50=2s, p95=8s)"`

	Name      string            `yaml:"name" doc:"The step's name in reports; by default made of method and path." example:"list"`
	Headers   map[string]string `yaml:"headers" doc:"Header fields sent with this request, over those of the load." template:"true"`
	Query     map[string]string `yaml:"query" doc:"Query parameters added to the URL, escaped." template:"true"`
	JSON      any               `yaml:"json" doc:"The body, as any YAML value, sent as JSON." template:"true"`
	Body      string            `yaml:"body" doc:"The body, as text." template:"true"`
	Form      map[string]string `yaml:"form" doc:"The body, as fields of an HTML form." template:"true"`
	Timeout   time.Duration     `yaml:"timeout" doc:"The longest this request may take; by default the load's timeout." min:"1ms"`
	Redirects *int              `yaml:"redirects" doc:"How many redirects this request follows; by default what the load says." min:"0" max:"50"`
	Extract   map[string]string `yaml:"extract" doc:"Variables taken from the answer: $.json.path, header:NAME, cookie:NAME, regexp:EXPRESSION or status." example:"$.items[0].sku"`
	Check     *Check            `yaml:"check" doc:"What the answer must be; by default a status below 400."`
}

// A Check is what an answer must be for its operation to be OK.
type Check struct {
	Status       any               `yaml:"status" doc:"The status expected: a number, a class such as 2xx, or a list of these; by default any below 400." example:"201"`
	BodyContains string            `yaml:"body_contains" doc:"A text that the body must hold." template:"true"`
	BodyMatches  string            `yaml:"body_matches" doc:"A regular expression that the body must match." example:"order-[0-9]+"`
	JSON         map[string]any    `yaml:"json" doc:"Values that the body, as JSON, must have at these paths." template:"true"`
	Header       map[string]string `yaml:"header" doc:"Values that header fields of the answer must have." template:"true"`
	Time         string            `yaml:"time" doc:"A bound on the service time." example:"< 2s"`
	Size         string            `yaml:"size" doc:"A bound on the length of the body." example:"< 10KiB"`
}

// flow returns the steps, the single-request shorthand included.
func (c Config) flow() []Step {
	if len(c.Steps) > 0 {
		return c.Steps
	}
	return []Step{{
		Get: c.Get, Post: c.Post, Put: c.Put, Patch: c.Patch, Delete: c.Delete, Head: c.Head, Options: c.Options,
		Name: c.Name, Query: c.Query, JSON: c.JSON, Body: c.Body, Form: c.Form, Check: c.Check,
	}}
}

// methods lists what a step asks for, in a fixed order.
func (s Step) methods() []target {
	var t []target
	for _, m := range []target{
		{"GET", s.Get}, {"POST", s.Post}, {"PUT", s.Put}, {"PATCH", s.Patch},
		{"DELETE", s.Delete}, {"HEAD", s.Head}, {"OPTIONS", s.Options},
	} {
		if m.url != "" {
			t = append(t, m)
		}
	}
	return t
}

// A target is a method and the template of a path or URL.
type target struct{ method, url string }
