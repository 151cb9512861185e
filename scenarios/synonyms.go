package scenarios

import "github.com/brunt-dev/brunt/scenarios/decode"

// synonyms are the words that people bring from k6, Artillery, vegeta, Locust
// and Gatling, where they are used, and what to write instead.
func synonyms() decode.Synonyms {
	rate := "use a rate in a phase's load: load: { NAME: 500/s }"
	users := "use a number of users in a phase's load: load: { NAME: { users: 50 } }"
	ramp := "use -> in a phase's load: load: { NAME: 0/s -> 500/s }"
	length := "use for, in a phase: - { name: steady, for: 5m }"
	stages := "use phases: each has a name, for and load"
	expect := "use expect, in a phase: expect: [browse.p99 < 300ms]"
	loads := "use loads for what is sent and phases for when"
	hosts := "use target: { hosts: [HOST:PORT] } for what may be loaded, and base in a load's http"
	steps := "use steps, in a load"
	return decode.Synonyms{
		"": {
			"rps": rate, "qps": rate, "tps": rate, "arrivalRate": rate, "arrival_rate": rate, "constantUsersPerSec": rate, "throughput": rate,
			"vus": users, "maxVUs": "use max_in_flight, in a load", "preAllocatedVUs": "sessions open on demand; max_in_flight of a load bounds them",
			"num_users": users, "virtual_users": users, "arrivalCount": users, "concurrency": users, "workers": users, "threads": users, "startVUs": users,
			"duration": length, "run_time": length, "runtime": length, "maxDuration": length, "hold_for": length,
			"rampTo": ramp, "ramp_up": ramp, "rampUp": ramp, "ramp-up": ramp, "rampUsersPerSec": ramp, "spawn_rate": ramp, "hatch_rate": ramp, "startRate": ramp,
			"stages": stages, "scenario": loads, "scenarios": loads, "executor": "a load is open with a rate and closed with users; there is nothing else to choose",
			"thresholds": expect, "ensure": expect, "assertions": expect, "slo": expect, "slos": expect, "objectives": expect, "expectations": expect, "criteria": expect,
			"iterations": "give a rate and a length: 500/s for 2m are 60,000 arrivals", "count": "give a rate and a length: 500/s for 2m are 60,000 arrivals",
			"gracefulStop": "operations in flight at the end are waited for as long as their timeout", "gracefulRampDown": "operations in flight at the end are waited for as long as their timeout",
			"flow": steps, "requests": steps, "tasks": steps, "exec": steps,
			"variables": "use vars", "env": "use vars; the environment is there as ${NAME}", "environments": "use vars; the environment is there as ${NAME}",
			"payload": "use data: { NAME: { csv: FILE } }", "feeders": "use data: { NAME: { csv: FILE } }", "feeder": "use data: { NAME: { csv: FILE } }",
			"probes": "use watch", "monitors": "use watch", "chaos": "use faults, in a phase", "attacks": "use faults, in a phase", "experiments": "use faults, in a phase",
			"host": hosts, "hosts": hosts, "baseUrl": hosts, "baseURL": hosts, "base_url": hosts, "config": "there is no config section: name, target, loads and phases stand at the top",
		},
		"phases": {
			"duration": "use for", "length": "use for", "time": "use for", "rate": "use load: { NAME: 500/s }", "loads": "use load", "fault": "use faults",
			"expects": "use expect", "title": "use name", "warmup": "use exclude: true", "warm_up": "use exclude: true", "skip": "use after: how much of the start is not judged",
			"target": "use load: { NAME: 500/s }", "users": "use load: { NAME: { users: 50 } }", "think": "use - think: 2s, in a load's steps", "pause": "use a phase of its own",
		},
		"phases.load.*": {
			"target": "use rate, or users", "arrivalRate": "use rate", "rps": "use rate", "vus": "use users", "ramp": "use -> in rate: 0/s -> 500/s",
			"from": "use -> in rate: 0/s -> 500/s", "to": "use -> in rate: 0/s -> 500/s", "process": "use arrivals", "distribution": "use arrivals", "model": "a rate is the open model, users the closed one",
		},
		"phases.faults.*": {
			"duration": "use for", "start": "use at", "delay": "use at for when it starts", "after": "use at", "offset": "use at", "length": "use for",
		},
		"phases.expect": {
			"metric": "use that: browse.p99 < 300ms", "threshold": "use that: browse.p99 < 300ms", "abortOnFail": "use abort: true", "abort_on_fail": "use abort: true",
			"delayAbortEval": "use after", "condition": "use that", "assert": "use that", "window": "use within", "skip": "use after",
		},
		"loads.*": {
			"rate": "a load says what is sent; how much is for the phases: load: { NAME: 500/s }", "target": hosts, "url": "use http: URL", "base": "use http: { base: URL }",
			"timeout": "use timeout within the kind: http: { timeout: 5s }", "headers": "use headers within the kind: http: { headers: { … } }",
			"think": "use - think: 2s among the steps", "think_time": "use - think: 2s among the steps", "thinkTime": "use - think: 2s among the steps", "sleep": "use - think: 2s among the steps",
			"wait_time": "use - think: 2s among the steps", "weight": "make a load of each and give each its rate",
		},
		"safety": {
			"max_rps": "use max_rate", "maxRate": "use max_rate", "max_vus": "use max_in_flight", "abort_on": "use abort", "stop": "use abort", "abort_when": "use abort",
		},
		"target": {
			"url": "use hosts for what may be loaded, and base in a load's http", "host": "use hosts: [HOST:PORT]", "allow": "use hosts", "base": "use base in a load's http",
		},
		"data.*": {
			"file": "use csv or jsonl", "path": "use csv or jsonl", "json": "use jsonl: one object a line", "order": "use pick", "strategy": "use pick", "loop": "use on_end: wrap", "recycle": "use on_end: wrap",
		},
	}
}
