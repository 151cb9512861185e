package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/brunt-dev/brunt/examples/lab/meter"
	"github.com/brunt-dev/brunt/examples/lab/serve"
)

const controlHelp = `The lab's controls.

GET  /pods                          what each simulated pod did, as JSON
POST /set?kind=cpu&value=500m       force a metric; kind is cpu, memory, custom or external;
     name=METRIC (custom, external), namespace=NS, pod=NAME narrow it; without value: let go
POST /outage?of=metrics&on=true     the metrics APIs answer 503 until on=false
POST /outage?of=api&for=10s         the API server is gone for everybody: connections are cut and
     refused; how=throttle: it answers 429, how=fail: 503; of=clients: only for those who
     come with the kubeconfig, while controllers go on; on=true until on=false for no time
GET  /daemon                        what Chaos Mesh's controller asked its (fake) daemon, as JSON
POST /daemon-fail?method=SetTcs&error=TEXT
     calls of this method (* for all) fail; without error: succeed again
     /chaosd/                       the address of a (fake) physical machine, for PhysicalMachineChaos
`

// controls is the lab's own HTTP interface, for tests and curious people.
func controls(table *serve.Table, m *meter.Meter, d *daemons, api *doors) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, controlHelp) })
	mux.HandleFunc("GET /pods", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(table.Pods()) // the reader is gone
	})
	mux.HandleFunc("POST /set", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		s := meter.Setting{Kind: q.Get("kind"), Name: q.Get("name"), Namespace: q.Get("namespace"), Pod: q.Get("pod")}
		named := s.Kind == "custom" || s.Kind == "external"
		switch {
		case s.Kind != "cpu" && s.Kind != "memory" && !named:
			http.Error(w, "kind must be cpu, memory, custom or external", http.StatusBadRequest)
		case named != (s.Name != ""):
			http.Error(w, "custom and external metrics have a name=, cpu and memory have none", http.StatusBadRequest)
		case q.Get("value") == "":
			m.Set(s, nil)
		default:
			value, err := resource.ParseQuantity(q.Get("value"))
			if err != nil {
				http.Error(w, fmt.Sprintf("value %q is no quantity such as 500m", q.Get("value")), http.StatusBadRequest)
				return
			}
			m.Set(s, &value)
		}
	})
	mux.HandleFunc("POST /outage", func(w http.ResponseWriter, r *http.Request) {
		on := r.URL.Query().Get("on")
		switch of := r.URL.Query().Get("of"); {
		case of == "api" || of == "clients":
			api.fail(w, r)
		case of == "metrics" && (on == "true" || on == "false"):
			m.Down.Store(on == "true")
		default:
			http.Error(w, "of=metrics and on=true or on=false; or of=api or of=clients", http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /daemon", d.list)
	mux.HandleFunc("POST /daemon/{method}", d.asked)
	mux.HandleFunc("POST /daemon-fail", d.setFail)
	mux.HandleFunc("/chaosd/{rest...}", d.asked)
	return mux
}
