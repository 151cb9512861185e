package main

import (
	"fmt"
	"strconv"
	"time"
)

// known is everything that bench knows of, in the order of its tables.
var known = []tool{
	asking(brunt(bruntLane, constantStep, "lane", ""), "--version"),
	onlyOpen(brunt(bruntRough, constantStep, "lane", ", precision: 1ms")),
	brunt(bruntGoroutines, changingStep, "goroutines", ""),
	onlyClosed(brunt(bruntFlow, flowSteps, "goroutines", "")),
	onlyClosed(tool{name: "wrk", binary: "wrk", asks: []string{"-v"}, args: wrkArgs, read: printed(readWrk)}),
	onlyOpen(tool{name: "wrk2", binary: "wrk2", asks: []string{"-v"}, args: wrk2Args, read: printed(readWrk)}),
	{name: "fortio", binary: "fortio", asks: []string{"version"}, args: fortioArgs, read: printed(readFortio)},
	{name: "vegeta", binary: "vegeta", asks: []string{"-version"}, args: vegetaArgs, read: printed(readVegeta),
		input: func(j job) string { return "GET " + j.url() + "\n" }, after: []string{"report", "-type=json", "vegeta.bin"}},
	onlyOpen(tool{name: vegetaUnbounded, binary: "vegeta", gentle: true, args: vegetaUnboundedArgs, read: printed(readVegeta),
		input: func(j job) string { return "GET " + j.url() + "\n" }, after: []string{"report", "-type=json", "vegeta.bin"}}),
	{name: "k6", binary: "k6", asks: []string{"version"}, args: k6Args, read: printed(readK6),
		files: func(job) map[string]string { return map[string]string{"k6.js": k6Script} }},
	{name: "h2load", binary: "h2load", asks: []string{"--version"}, args: h2loadArgs,
		read: func(string, []byte) (figures, error) { return figures{}, nil }}, // it prints no percentiles
	{name: "bombardier", binary: "bombardier", asks: []string{"--version"}, args: bombardierArgs, read: printed(readBombardier)},
	{name: "hey", binary: "hey", asks: []string{"-h"}, args: heyArgs, read: printed(readHey)},
}

func asking(t tool, version ...string) tool { t.asks = version; return t }

// onlyOpen and onlyClosed make a tool play one of the models.
func onlyOpen(t tool) tool   { return when(t, func(j job) bool { return j.rate > 0 }) }
func onlyClosed(t tool) tool { return when(t, func(j job) bool { return j.rate == 0 }) }

func when(t tool, can func(job) bool) tool {
	args := t.args
	t.args = func(j job) []string {
		if !can(j) {
			return nil
		}
		return args(j)
	}
	return t
}

func printed(read func([]byte) (p50, p99 time.Duration, err error)) func(string, []byte) (figures, error) {
	return func(_ string, out []byte) (f figures, err error) {
		f.p50, f.p99, err = read(out)
		return f, err
	}
}

func seconds(length time.Duration) string { return strconv.Itoa(int(length / time.Second)) }

func wrkArgs(j job) []string {
	return []string{"-t1", fmt.Sprintf("-c%d", j.connections), "-d" + seconds(j.length) + "s", "--latency", j.url()}
}

func wrk2Args(j job) []string {
	return []string{"-t1", fmt.Sprintf("-c%d", j.connections), "-d" + seconds(j.length) + "s", fmt.Sprintf("-R%d", j.rate), "--latency", j.url()}
}

func fortioArgs(j job) []string {
	return []string{"load", "-c", strconv.Itoa(j.connections), "-t", seconds(j.length) + "s", "-qps", strconv.Itoa(j.rate), "-r", "0.00001", "-p", "50,99", j.url()}
}

// vegeta takes ever more workers once it falls behind, which is what it does
// unless told otherwise. It is measured both ways.
func vegetaUnboundedArgs(j job) []string {
	return []string{"attack", "-rate", strconv.Itoa(j.rate), "-duration", j.length.String(), "-output", "vegeta.bin"}
}

const vegetaUnbounded = "vegeta-free"

func vegetaArgs(j job) []string {
	return []string{"attack", "-rate", strconv.Itoa(j.rate), "-duration", j.length.String(), "-connections", strconv.Itoa(j.connections),
		"-max-workers", strconv.Itoa(j.connections), "-output", "vegeta.bin"}
}

func k6Args(j job) []string {
	return []string{"run", "--quiet", "--summary-trend-stats", "med,p(99)", "-e", "URL=" + j.url(), "-e", "FOR=" + seconds(j.length) + "s",
		"-e", "RATE=" + strconv.Itoa(j.rate), "-e", "CONNECTIONS=" + strconv.Itoa(j.connections), "k6.js"}
}

const k6Script = `import http from 'k6/http';
const c = Number(__ENV.CONNECTIONS), rate = Number(__ENV.RATE);
const common = { duration: __ENV.FOR, gracefulStop: '2s' };
export const options = { discardResponseBodies: true, scenarios: { bench: rate === 0
  ? { executor: 'constant-vus', vus: c, ...common }
  : { executor: 'constant-arrival-rate', rate: rate, timeUnit: '1s', preAllocatedVUs: c, maxVUs: c, ...common } } };
export default function () { http.get(__ENV.URL); }
`

// each is a connection's share of the rate, for tools that want it so.
func each(j job) string {
	return strconv.FormatFloat(float64(j.rate)/float64(j.connections), 'f', -1, 64)
}

func h2loadArgs(j job) []string {
	args := []string{"--h1", "-t1", "-c", strconv.Itoa(j.connections), "-D", seconds(j.length)}
	if j.rate > 0 {
		args = append(args, "--rps", each(j))
	}
	return append(args, j.url())
}

func bombardierArgs(j job) []string {
	args := []string{"-c", strconv.Itoa(j.connections), "-d", j.length.String(), "-l", "-p", "r", "-o", "json", "--fasthttp"}
	if j.rate > 0 {
		args = append(args, "-r", strconv.Itoa(j.rate))
	}
	return append(args, j.url())
}

func heyArgs(j job) []string {
	args := []string{"-c", strconv.Itoa(j.connections), "-z", j.length.String()}
	if j.rate > 0 {
		args = append(args, "-q", each(j))
	}
	return append(args, j.url())
}
