package inventory

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var unfit = regexp.MustCompile(`[^a-z0-9_]+`)

// name makes a scenario's name of an object's.
func name(s string) string {
	s = strings.Trim(unfit.ReplaceAllString(strings.ToLower(s), "_"), "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "x_" + s
	}
	return s
}

// Starter writes a scenario for the namespace, commented for somebody who sees
// his first: a load for each Service that speaks HTTP, the autoscalers watched
// and judged, one pod of each workload killed in turn. It is meant to be read
// and changed, and it is a whole scenario as it is. An error says what is
// missing to write one.
func (n Namespace) Starter() ([]byte, error) {
	var web []Service
	for _, s := range n.Services {
		if s.HTTP {
			web = append(web, s)
		}
	}
	if len(web) == 0 {
		return nil, fmt.Errorf("write a scenario for namespace %s: it has no Service with a port that speaks HTTP, by its name, appProtocol or number 80, 8080, 443", n.Name)
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Made by brunt init --from-cluster from what namespace %s runs. Read it and change", n.Name)
	p("# what it cannot know: rates, paths, and what your users were promised.")
	p("# The addresses are those inside the cluster: run it from there, or forward ports.")
	p("version: 1")
	p("name: %s", strings.ReplaceAll(name(n.Name), "_", "-"))
	p("description: Can %s take its load, lose a pod of each part, and keep its promises?", n.Name)
	p("\ntarget:")
	p("  # Nothing else is ever loaded, and nothing outside the namespace broken.")
	p("  hosts: [%q]", "*."+n.Name+".svc")
	p("  kubernetes: { namespace: %q }", n.Name)
	p("\nsafety:")
	p("  max_rate: 500/s")
	p("  max_targets: 1 # a fault that would hit more is refused")
	p("  abort: [%q]", name(web[0].Name)+".errors > 50% for 15s")
	p("\nvars: { calm: 20/s, peak: 100/s }")
	p("\nloads:")
	for _, s := range web {
		host := fmt.Sprintf("%s.%s.svc", s.Name, n.Name)
		p("  %s:", name(s.Name))
		p("    http: { base: %q, timeout: 5s }", base(host, s.Port))
		p("    steps:")
		p("      - get: / # a page that does what your users do")
		p("        name: home")
	}
	if len(n.Autoscalers) > 0 {
		p("\nwatch:")
		for _, a := range n.Autoscalers {
			p("  %s_replicas: { hpa: %q } # %d to %d of %s", name(a.Name), a.Name, a.Min, a.Max, a.Target)
		}
	}
	loads := func(rate string) string {
		var each []string
		for _, s := range web {
			each = append(each, name(s.Name)+": "+rate)
		}
		return strings.Join(each, ", ")
	}
	expect := func(suffix string) {
		for _, s := range web {
			p("      - %s.p99 < 500ms%s", name(s.Name), suffix)
			p("      - %s.errors < 1%%%s", name(s.Name), suffix)
		}
	}
	p("\nphases:")
	p("  - name: warmup\n    for: 1m\n    exclude: true # recorded, never judged\n    load: { %s }", loads("0/s -> $calm"))
	p("  - name: steady\n    for: 3m\n    load: { %s }\n    expect:", loads("$calm"))
	expect("")
	p("  - name: surge\n    for: 5m\n    load: { %s }\n    expect:", loads("[$calm -> $peak in 30s, $peak for 4m30s]"))
	for _, s := range web {
		p("      - { that: %s.p99 < 500ms, after: 2m }", name(s.Name))
		p("      - %s.errors < 1%%", name(s.Name))
	}
	for _, a := range n.Autoscalers {
		p("      - { autoscaler: %s_replicas, first_ready: <= 2m, replicas: %d..%d, flaps: <= 1 }", name(a.Name), a.Min, a.Max)
	}
	n.storm(p, loads("$calm"), web)
	p("\nreport: [html, json, junit]")
	return []byte(b.String()), nil
}

// storm is the phase in which a pod of each workload is killed, one a minute.
func (n Namespace) storm(p func(string, ...any), loads string, web []Service) {
	var parts []Workload
	for _, w := range n.Workloads {
		if w.Replicas > 0 && len(w.Labels) > 0 {
			parts = append(parts, w)
		}
	}
	if len(parts) == 0 {
		return
	}
	p("  - name: storm # a pod of each part dies in turn")
	p("    for: %dm\n    load: { %s }\n    faults:", len(parts)+1, loads)
	for i, w := range parts {
		var labels []string
		for _, k := range sorted(w.Labels) {
			labels = append(labels, k+"="+w.Labels[k])
		}
		p("      kill_%s: { at: %s, pod_kill: { selector: %q } }", name(w.Name), time.Duration(i)*time.Minute+30*time.Second, strings.Join(labels, ","))
	}
	p("    expect:")
	for _, s := range web {
		p("      - %s.errors < 5%%", name(s.Name))
	}
}

// base is a Service's URL.
func base(host string, port int) string {
	switch port {
	case 80:
		return "http://" + host
	case 443:
		return "https://" + host
	}
	return fmt.Sprintf("http://%s:%d", host, port)
}
