// Package vegeta reads and writes the files of vegeta
// (github.com/tsenart/vegeta): its target files as a load, and results that
// its report and plot commands read. The requests themselves are sent by
// package http.
package vegeta

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/http"
)

// Config is what a scenario says under `vegeta:`.
type Config struct {
	Targets     string            `file:"true" yaml:"targets" doc:"The target file, as vegeta attack -targets takes it." required:"true" scalar:"true" example:"targets.txt"`
	Format      string            `yaml:"format" doc:"The file's format, as vegeta attack -format takes it." enum:"http,json" default:"http"`
	Protocol    string            `yaml:"protocol" doc:"HTTP version: auto takes HTTP/2 when the server offers it over TLS, HTTP/1.1 otherwise." enum:"auto,h1,h2,h2c" default:"auto"`
	Timeout     time.Duration     `yaml:"timeout" doc:"The longest a request may take, connecting included, counted from when it started." default:"10s" min:"1ms"`
	Connections http.Connections  `yaml:"connections" doc:"How connections are shared, kept and renewed."`
	Headers     map[string]string `yaml:"headers" doc:"Header fields sent with every request; those of the target file go over them."`
	TLS         http.TLS          `yaml:"tls" doc:"How servers are verified and which certificate is shown to them."`
	Redirects   int               `yaml:"redirects" doc:"How many redirects a request follows; 0 takes a redirect as the answer." default:"0" min:"0" max:"50"`
	Cookies     bool              `yaml:"cookies" doc:"Whether each session keeps the cookies it is given." default:"false"`
	Compression bool              `yaml:"compression" doc:"Whether compressed bodies are asked for and decoded." default:"false"`
}

// step is the name of the one step that all targets are.
const step = "target"

// Steps names the operations of an arrival: always one.
func Steps(Config) []string { return []string{step} }

// New makes a generator whose arrivals play the targets of the file in turn,
// by their index. The file is read here, once.
func New(c Config, env generators.Env) (generators.Generator, error) {
	targets, err := ReadTargets(c.Targets, c.Format)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = generators.EscapeTemplate(value)
	}
	g, err := http.NewRotation(http.Config{
		Protocol: c.Protocol, Timeout: c.Timeout, Connections: c.Connections, Headers: headers, TLS: c.TLS,
		Redirects: c.Redirects, Cookies: c.Cookies, Compression: c.Compression,
	}, targets, env)
	if err != nil {
		return nil, fmt.Errorf("use targets of %s: %w", c.Targets, err)
	}
	return g, nil
}

// ReadTargets reads a target file, format "http" (also when empty) or "json".
// Body files that it names with @ are read relative to the working directory,
// as vegeta does.
func ReadTargets(file, format string) ([]http.Target, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	targets, err := parseTargets(text, format)
	if err != nil {
		return nil, fmt.Errorf("read targets: %s: %w", file, err)
	}
	return targets, nil
}

func parseTargets(text []byte, format string) ([]http.Target, error) {
	var targeter vegeta.Targeter
	switch format {
	case "", vegeta.HTTPTargetFormat:
		// Its scanner ends without an error at a line that it finds too long.
		for i, line := range bytes.Split(text, []byte{'\n'}) {
			if len(line) >= bufio.MaxScanTokenSize-1 {
				return nil, fmt.Errorf("line %d is longer than %d bytes: put the body into a file and name it with @", i+1, bufio.MaxScanTokenSize)
			}
		}
		targeter = vegeta.NewHTTPTargeter(bytes.NewReader(text), nil, nil)
	case vegeta.JSONTargetFormat:
		// Its reader leaves out a last line that has no end.
		ended := io.MultiReader(bytes.NewReader(text), strings.NewReader("\n"))
		targeter = vegeta.NewJSONTargeter(ended, nil, nil)
	default:
		return nil, fmt.Errorf("there is no target format %q: use http or json", format)
	}
	read, err := vegeta.ReadAllTargets(targeter)
	if err != nil {
		return nil, err
	}
	targets := make([]http.Target, len(read))
	for i, t := range read {
		targets[i] = http.Target{Method: t.Method, URL: t.URL, Header: t.Header, Body: t.Body}
	}
	return targets, nil
}
