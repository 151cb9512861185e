package scenarios

import (
	"regexp"
	"strings"
)

// Starter writes a commented scenario that loads a URL, for brunt init: what a
// new user changes first, in the order of reading. Parse takes it as it is.
func Starter(target string) ([]byte, error) {
	u, err := parseTargetURL(target)
	if err != nil {
		return nil, err
	}
	name := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(u.Hostname(), "-"), "-")
	if name == "" {
		name = "first"
	}
	text := strings.NewReplacer(
		"@NAME@", clip(name, 50),
		"@HOST@", quoteYAML(addressOf(u.String())),
		"@BASE@", quoteYAML(u.Scheme+"://"+u.Host),
		"@PATH@", quoteYAML(literal(u.RequestURI())),
	).Replace(starter)
	return []byte(text), nil
}

const starter = `# A scenario for brunt: what load to offer, and what must hold.
#   brunt check FILE   finds every mistake, offline
#   brunt plan FILE    shows what a run would do
#   brunt run FILE     does it, and ends in a verdict
# For completion in an editor: brunt schema > brunt.schema.json
# yaml-language-server: $schema=brunt.schema.json
version: 1
name: @NAME@
description: Does it answer 50 requests a second in time?

target:
  hosts: [@HOST@] # nothing else is ever loaded or broken

safety:
  max_rate: 200/s # a scenario that plans more is refused
  abort: ["main.errors > 50% for 10s"] # stop at once when the target is in trouble

vars:
  peak: 50/s # used below as $peak; brunt run --var peak=100/s FILE

loads:
  main:
    http: { base: @BASE@, timeout: 5s }
    steps:
      - get: @PATH@
        name: home
      # More requests, each with what it takes from the answer and what must be so:
      # - think: lognormal(p50=1s, p95=4s)
      # - post: /cart
      #   json: { item: "${rand(1,40)}" }
      #   extract: { cart: $.id }
      #   check: { status: 201 }
      # - get: /cart/${cart}

# Watched all the time, and drawn in the report:
# watch:
#   health: { http: "http://HOST:PORT/health" }

phases:
  - name: warmup
    for: 10s
    exclude: true # recorded, never judged
    load: { main: 1/s -> $peak } # a ramp over the whole phase
  - name: steady
    for: 30s
    load: { main: $peak }
    expect:
      - main.p99 < 500ms
      - main.errors < 1%
    # Break something on purpose, 10s into the phase; brunt explain lists the kinds:
    # faults:
    #   kill: { at: 10s, process: { kill: { port: 8080 } } }

report: [html, json, junit, markdown]
`
