package scenarios

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// QuickOptions are those of brunt quick: a run without a file.
type QuickOptions struct {
	URL         string
	Rate        string        // open model: 200/s; exactly one of Rate and Users
	Users       int           // closed model
	For         time.Duration // 10s when zero
	Expect      []string      // p99 < 50ms; a metric without a load is the load's
	Connections int           // most connections; 0: as many as it takes
	Method      string        // GET when empty, POST with a body
	Headers     []string      // "Name: value"
	Body        string        // @FILE reads it from a file
	Timeout     time.Duration // of one request; the generator's own when zero
}

// quickName is the name of a quick run's only load and only phase.
const quickName = "quick"

// A QuickScenario is what Quick wrote.
type QuickScenario struct {
	Source []byte // to be given to Parse
	// Secrets are the values of headers that carry credentials. The source
	// draws them from the environment under these names, so that the run
	// directory, which holds the source, holds no value. Parse needs them in
	// its Options.Env.
	Secrets map[string]string
}

// Quick writes the scenario that the options stand for: the run directory then
// holds a file that can be looked at, changed and run again. Everything from
// the options is taken literally; a $ or a ${ in them means nothing.
func Quick(o QuickOptions) (QuickScenario, error) {
	secrets := map[string]string{}
	source, err := quickSource(o, secrets)
	return QuickScenario{Source: source, Secrets: secrets}, err
}

func quickSource(o QuickOptions, secrets map[string]string) ([]byte, error) {
	u, err := parseTargetURL(o.URL)
	if err != nil {
		return nil, err
	}
	if (o.Rate == "") == (o.Users == 0) {
		return nil, errors.New("give --rate (200/s, the open model) or --users (64, the closed one), one of them")
	}
	offer := "{ users: " + strconv.Itoa(o.Users) + " }"
	if o.Rate != "" {
		s, terr := parseShape(o.Rate)
		switch {
		case terr != nil:
			return nil, withHint("rate "+strconv.Quote(o.Rate)+": "+terr.message, terr.hint)
		case s.from.users:
			return nil, withHint("rate "+strconv.Quote(o.Rate)+" has no unit", "write "+strings.TrimSpace(o.Rate)+"/s")
		case s.length != 0:
			return nil, withHint("rate "+strconv.Quote(o.Rate)+" has a length of its own", "say how long with --for")
		}
		offer = quoteYAML(strings.TrimSpace(o.Rate))
	} else if o.Users < 0 {
		return nil, fmt.Errorf("users: %d is below 0", o.Users)
	}
	if o.For == 0 {
		o.For = 10 * time.Second
	}
	if o.For < time.Millisecond {
		return nil, fmt.Errorf("for: %s is no length of a run", o.For)
	}
	request, err := quickRequest(o, u, secrets)
	if err != nil {
		return nil, err
	}
	expect, err := quickExpect(o.Expect)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nname: %s\ntarget: { hosts: [%s] }\n", quickName, quoteYAML(addressOf(u.String())))
	fmt.Fprintf(&b, "loads:\n  %s:\n    http:\n      base: %s\n", quickName, quoteYAML(u.Scheme+"://"+u.Host))
	if o.Timeout > 0 {
		fmt.Fprintf(&b, "      timeout: %s\n", decode.FormatDuration(o.Timeout))
	}
	if o.Connections > 0 {
		fmt.Fprintf(&b, "      connections: { max: %d }\n", o.Connections)
	}
	if most := max(o.Users, o.Connections); most > defaultInFlight {
		fmt.Fprintf(&b, "    max_in_flight: %d\n", most)
	}
	b.WriteString("    steps:\n" + request)
	fmt.Fprintf(&b, "phases:\n  - name: %s\n    for: %s\n    load: { %s: %s }\n", quickName, decode.FormatDuration(o.For), quickName, offer)
	if len(expect) > 0 {
		b.WriteString("    expect:\n")
		for _, e := range expect {
			fmt.Fprintf(&b, "      - %s\n", quoteYAML(e))
		}
	}
	return []byte(b.String()), nil
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // a token of RFC 9110

const maxHeaderName = 200 // bytes

// credentials are words in the names of headers whose values are secrets.
var credentials = regexp.MustCompile(`(?i)auth|cookie|token|secret|passw|session|signature|credential|(^|[-_])key($|[-_])|apikey`)

// quickHeader is the value of a header as the scenario has it. Of a secret it
// is the name; the scheme of an Authorization is none.
func quickHeader(name, value string, secrets map[string]string) string {
	if value == "" || !credentials.MatchString(name) {
		return literal(value)
	}
	scheme, secret, ok := strings.Cut(value, " ")
	if !ok || !strings.HasSuffix(name, "Authorization") {
		scheme, secret = "", value
	} else {
		scheme = literal(scheme) + " "
	}
	variable := "QUICK_" + strings.ToUpper(notName.ReplaceAllString(name, "_"))
	for secrets[variable] != "" { // A-B and A_B are two headers
		variable += "_"
	}
	secrets[variable] = secret
	return scheme + "${" + variable + "}"
}

// quickRequest is the only step.
func quickRequest(o QuickOptions, u *url.URL, secrets map[string]string) (string, error) {
	body, err := quickBody(o.Body)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(body) {
		return "", errors.New("the body is not text, and a scenario holds only text")
	}
	method := strings.ToLower(o.Method)
	if method == "" {
		method = "get"
		if body != "" {
			method = "post"
		}
	}
	methods := map[string]bool{"get": true, "post": true, "put": true, "patch": true, "delete": true, "head": true, "options": true}
	if !methods[method] {
		return "", fmt.Errorf("method %q is not one of GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS", o.Method)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "      - %s: %s\n        name: %s\n", method, quoteYAML(literal(u.RequestURI())), method)
	if len(o.Headers) > 0 {
		b.WriteString("        headers:\n")
		seen := map[string]bool{}
		for _, h := range o.Headers {
			name, value, ok := strings.Cut(h, ":")
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if !ok || len(name) > maxHeaderName || !headerName.MatchString(name) {
				return "", withHint("header "+strconv.Quote(clip(h, 100))+" has no name that HTTP knows", "write 'Name: value'")
			}
			if !utf8.ValidString(value) {
				return "", fmt.Errorf("header %s is not text", name)
			}
			if seen[name] {
				return "", fmt.Errorf("header %s is given twice", name)
			}
			seen[name] = true
			fmt.Fprintf(&b, "          %s: %s\n", quoteYAML(name), quoteYAML(quickHeader(name, strings.TrimSpace(value), secrets)))
		}
	}
	if body != "" {
		fmt.Fprintf(&b, "        body: %s\n", quoteYAML(literal(body)))
	}
	return b.String(), nil
}

func quickBody(body string) (string, error) {
	file, ok := strings.CutPrefix(body, "@")
	if !ok {
		return body, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read body: %w", err)
	}
	if most := decode.MaxSize / 4; len(text) > most {
		return "", fmt.Errorf("read body: %s is larger than %s", file, decode.FormatBytes(int64(most)))
	}
	return string(text), nil
}

// quickExpect completes statements about the only load there is.
func quickExpect(statements []string) ([]string, error) {
	var out []string
	for _, s := range statements {
		s = strings.TrimSpace(s)
		full := quickName + "." + s
		if strings.HasPrefix(s, quickName+".") || strings.HasPrefix(s, quickName+" ") {
			full = s
		}
		if _, err := objective.Compile(full); err != nil {
			var syntax *objective.SyntaxError
			if !errors.As(err, &syntax) {
				return nil, fmt.Errorf("expect %q: %w", s, err)
			}
			caret := strings.Repeat(" ", max(0, min(len(s), syntax.Offset-(len(full)-len(s))))) + "^"
			return nil, withHint(fmt.Sprintf("expect: %s\n  %s\n  %s", syntax.Message, s, caret), syntax.Hint)
		}
		out = append(out, literal(full))
	}
	return out, nil
}

func withHint(message, hint string) error {
	if hint == "" {
		return errors.New(message)
	}
	return errors.New(message + "\n  hint: " + hint)
}

// literal protects text from being resolved: every $ in it is itself.
func literal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '$' {
			if i+1 < len(s) && s[i+1] == '{' {
				b.WriteString("$${") // the escape of templates
				i++
				continue
			}
			b.WriteByte('$')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quoteYAML writes text as a double-quoted scalar.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case !unicode.IsPrint(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// parseTargetURL reads the URL of a target. One without a scheme is taken for
// http, as curl does.
func parseTargetURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("the URL is empty")
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, withHint(fmt.Sprintf("%q is not a URL", clip(s, 100)), "write http://HOST:PORT/PATH")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, withHint(fmt.Sprintf("%q is not a URL of HTTP", clip(s, 100)), "write http://HOST:PORT/PATH")
	case u.Hostname() == "":
		return nil, withHint(fmt.Sprintf("%q has no host", clip(s, 100)), "write http://HOST:PORT/PATH")
	case u.User != nil:
		return nil, withHint("a password in a URL would end up in the run directory", "give it as a header: -H 'Authorization: Basic …'")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not a port", p)
		}
	}
	strange := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_:", r)
	}
	if _, terr := parseHostPattern(addressOf(u.String())); terr != nil || strings.ContainsFunc(u.Hostname(), strange) {
		return nil, withHint(fmt.Sprintf("%q has no host that could be one", clip(s, 100)), "write http://HOST:PORT/PATH")
	}
	u.Fragment = ""
	return u, nil
}
