// Package http watches a URL: whether it is healthy, how long it takes, or a
// number in the JSON it answers.
package http

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// Config is the probe as a scenario writes it.
//
//	watch:
//	  api:      { http: "http://127.0.0.1:8080/health" }
//	  replicas: { http: { url: "http://127.0.0.1:9000/status", json: $.ready } }
type Config struct {
	URL          string        `yaml:"url" scalar:"true" required:"true" doc:"Where to look; GET, redirects are not followed." example:"http://127.0.0.1:8080/health"`
	Every        time.Duration `yaml:"every" default:"1s" min:"10ms" doc:"How often to look."`
	Timeout      time.Duration `yaml:"timeout" default:"1s" min:"1ms" doc:"How long one look may take."`
	Status       int           `yaml:"status" min:"100" max:"599" doc:"The status that is healthy; any 2xx when not given."`
	BodyContains string        `yaml:"body_contains" doc:"Text that a healthy answer holds." example:"\"status\":\"ok\""`
	Value        string        `yaml:"value" default:"health" enum:"health,latency" doc:"What a reading is without json: 1 or 0 for healthy or not, or how long a healthy answer took."`
	JSON         string        `yaml:"json" doc:"Path of the number in the answer that is the reading." example:"$.ready"`
}

// The values of Config.Value.
const (
	valueHealth  = "health"
	valueLatency = "latency"
)

func (c Config) withDefaults() Config {
	if c.Every == 0 {
		c.Every = time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	if c.Value == "" {
		c.Value = valueHealth
	}
	return c
}

// Validate reports what the types do not rule out.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.URL != "" { // else required says so
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			report("url", "not a URL: "+c.URL, "write it as http://HOST:PORT/PATH")
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
			report("url", fmt.Sprintf("not a URL that HTTP can reach: %s", c.URL), "write it as http://HOST:PORT/PATH")
		}
	}
	if c.JSON != "" {
		if _, err := jsonpath.Parse(c.JSON); err != nil {
			report("json", err.Error(), jsonpath.Hint)
		}
		if c.Value == valueLatency {
			report("value", "a reading is either the latency or the number at json", "watch two things, or leave one out")
		}
	}
}

// Unit is the unit of the readings: "ns" for latencies, else none.
func Unit(c Config) string {
	if c.Value == valueLatency {
		return "ns"
	}
	return ""
}

// What says what is watched, for people.
func What(c Config) string {
	c = c.withDefaults()
	what := strings.TrimPrefix(c.URL, "http://")
	switch {
	case c.JSON != "":
		return c.JSON + " of " + what
	case c.Value == valueLatency:
		return "latency of " + what
	}
	return "health of " + what
}
