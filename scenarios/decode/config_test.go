package decode

import (
	"fmt"
	"strings"
	"time"
)

// scenario is a config with every kind of field that decode knows.
type scenario struct {
	Version int              `yaml:"version" doc:"Of the language." required:"true" min:"1" max:"1" example:"1"`
	Name    string           `yaml:"name" doc:"What the run is called." default:"unnamed"`
	Loads   map[string]*load `yaml:"loads" doc:"What to offer."`
	Phases  []phase          `yaml:"phases" doc:"Named spans of the run."`
	Reports []string         `yaml:"report" doc:"Formats to write." enum:"html,json,junit" default:"[json, html]"`
	Vars    map[string]any   `yaml:"vars" doc:"Constants."`
	Common  `yaml:",inline"`
}

type Common struct {
	Seed uint64 `yaml:"seed" doc:"Same seed, same arrivals." default:"1"`
}

type load struct {
	HTTP *httpConfig `yaml:"http" doc:"Over HTTP." required:"true"`
	Body any         `yaml:"body" doc:"Sent as JSON." template:"true"`
	When condition   `yaml:"when" doc:"A condition."`
}

type httpConfig struct {
	Base        string            `yaml:"base" doc:"Where to." required:"true" example:"https://shop.example"`
	Protocol    string            `yaml:"protocol" doc:"Which HTTP." enum:"auto,h1,h2,h2c" default:"auto"`
	Timeout     time.Duration     `yaml:"timeout" doc:"Until a request is given up." default:"10s" min:"1ms" max:"10m"`
	Connections connections       `yaml:"connections" doc:"How many, and for how long."`
	Headers     map[string]string `yaml:"headers" doc:"Sent with each request." template:"true"`
	Redirects   int               `yaml:"redirects" doc:"How many to follow." min:"0" max:"10"`
	Cookies     bool              `yaml:"cookies" doc:"Kept per session."`
	Status      []int             `yaml:"status" doc:"What counts as good." default:"[200, 204]" min:"100" max:"599"`
	MaxBody     int64             `yaml:"max_body" doc:"The longest body." unit:"bytes" default:"1MiB" max:"1GiB"`
	Loss        float64           `yaml:"loss" doc:"A share." unit:"ratio" max:"100%"`
	Rate        float64           `yaml:"rate" doc:"A rate." unit:"rate"`
	Bandwidth   int64             `yaml:"bandwidth" doc:"A bandwidth." unit:"bandwidth"`
	Weight      float64           `yaml:"weight" doc:"A plain number." default:"1"`
	Retry       *retry            `yaml:"retry" doc:"None unless given."`
	hidden      string
	Internal    string `yaml:"-"`
}

type connections struct {
	Max    int           `yaml:"max" doc:"At the most." default:"100" min:"1"`
	MaxAge time.Duration `yaml:"max_age" doc:"Until it is opened anew."`
}

type retry struct {
	Times uint          `yaml:"times" doc:"How often." scalar:"true" default:"1"`
	Wait  time.Duration `yaml:"wait" doc:"In between." default:"1s"`
}

type phase struct {
	Name string            `yaml:"name" doc:"Its name." required:"true"`
	For  time.Duration     `yaml:"for" doc:"How long." required:"true"`
	Load map[string]string `yaml:"load" doc:"The rate of each load."`
}

func (h httpConfig) Validate(report func(field, message, hint string)) {
	if h.Connections.MaxAge > 0 && h.Connections.MaxAge < h.Timeout {
		report("connections.max_age", "is shorter than the timeout", "")
	}
	if h.Cookies && h.Redirects == 0 {
		report("redirects", "cookies want redirects", "add redirects: 3")
	}
}

// condition decodes itself: text "A < B", with problems at parts of it.
type condition struct{ Left, Right string }

func (c *condition) DecodeNode(d *Decoder, n Node) {
	if n.Kind() != Scalar {
		d.Report(n, CodeWrongType, "expected a condition such as a < b", "")
		return
	}
	text, ok := d.Text(n)
	if !ok {
		return
	}
	at := strings.Index(text, " ? ")
	if at >= 0 {
		d.ReportText(n, at+1, 1, CodeBadValue, "not an operator", "write <")
		return
	}
	c.Left, c.Right, _ = strings.Cut(text, " < ")
	if i := strings.Index(c.Right, "maybe"); i >= 0 {
		d.WarnText(n, strings.Index(text, "maybe"), 5, "unsure", "say what you mean", "")
	}
}

func (condition) JSONSchema() map[string]any {
	return map[string]any{"title": "condition", "type": "string"}
}

// newDecoder knows the variables of these tests.
func newDecoder(doc *Document) *Decoder {
	expand := func(keep bool) func(string, Node) (string, error) {
		return func(text string, _ Node) (string, error) {
			vars := map[string]string{"t": "2s", "n": "5", "yes": "true", "host": "shop"}
			var err error
			for {
				from := strings.Index(text, "${")
				if from < 0 {
					return text, err
				}
				to := strings.Index(text[from:], "}")
				if to < 0 {
					return "", fmt.Errorf("${ is never closed")
				}
				name := text[from+2 : from+to]
				value, ok := vars[name]
				switch {
				case !ok && keep:
					return text, nil
				case !ok:
					return "", &TextError{Offset: from, Length: to + 1, Message: "variable " + name + " is not defined", Hint: "did you mean ${host}?"}
				}
				text = text[:from] + value + text[from+to+1:]
			}
		}
	}
	return &Decoder{Doc: doc, Expand: expand(false), ExpandTemplate: expand(true), Synonyms: Synonyms{
		"":              {"duration": "use for: 5m", "vus": "anywhere: use users"},
		"loads.*":       {"vus": "use users: 50, under load"},
		"loads.*.http":  {"url": "use base: https://shop.example"},
		"phases":        {"ramp": "use load: { NAME: 0/s -> 500/s }"},
		"loads.*.other": {"url": "not this one"},
	}}
}
