# brunt needs Go and nothing else. `make run` and `make test` are all there is to know.
GO ?= go
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: run test race e2e e2e-faults e2e-kill e2e-kube e2e-pods e2e-peers soak lab bench fuzz lint build

run: ## play the example scenario against the example stack
	$(GO) run ./cmd/brunt run examples/hello.yaml

test: ## all unit, contract and command tests
	$(GO) vet ./...
	$(GO) test ./...

race: ## the same under the race detector
	$(GO) test -race ./...

e2e: ## whole runs against real processes: the examples, interrupts, kill -9
	$(GO) test -tags e2e -count=1 -timeout 15m -run '^TestE2E' ./cmd/brunt

e2e-faults: ## faults on a real kernel, in namespaces of their own, and on a real dockerd; root, Debian
	apt-get update -qq && apt-get install -y -qq nftables iproute2 iptables util-linux libfaketime docker.io >/dev/null
	$(GO) test -tags e2e -count=1 -timeout 15m ./chaos/network ./chaos/clock ./chaos/docker

e2e-kube: ## against a real Kubernetes control plane, in one process on loopback
	examples/lab/build.sh
	cd examples/lab && $(GO) test ./...
	BRUNT_LAB=$(CURDIR)/bin/lab $(GO) test -tags e2e -count=1 -timeout 20m -run KubeE2E ./cmd/brunt ./chaos/... ./scenarios/... ./examples/labtest

e2e-peers: ## TLS, proxies, sockets and HTTP/3 against other people's servers; root, Debian
	apt-get install -y -qq nginx tinyproxy microsocks ngtcp2-server iproute2 util-linux >/dev/null
	$(GO) test -tags e2e -count=1 -timeout 10m -run Peers ./cmd/brunt

soak: ## ten minutes at 5,000/s with flat memory; then 50,000 sessions at 8 KiB each
	$(GO) test -tags e2e -count=1 -timeout 30m -v -run Soak ./cmd/brunt

e2e-pods: ## load from real pods (kubelet, containerd, runc) in a namespace without an uplink; root, Debian
	GO=$(GO) examples/kubelet/e2e.sh

lab: ## a Kubernetes to try brunt on; Ctrl-C ends it. Beside it: export KUBECONFIG=$PWD/bin/lab.kubeconfig
	examples/lab/build.sh
	exec bin/lab -port 16443 -front 8090 -control 8091 -kubeconfig bin/lab.kubeconfig -chaos-mesh -apply examples/lab/shop.yaml

e2e-kill: ## the kill matrix (chaos/kills/KILLS.md) and random kills, on real targets of every kind; root, Debian
	apt-get update -qq && apt-get install -y -qq nftables iproute2 iptables util-linux libfaketime docker.io >/dev/null
	$(GO) test -tags e2e -count=1 -timeout 30m -run '^TestE2E' ./chaos/kills

bench: ## the hot paths, with allocations; then brunt beside the peers that are installed (BENCH='-sections closed -for 3s')
	$(GO) test -run '^$$' -bench . -benchmem ./generators/... ./reports/journal ./scenarios/engine
	$(GO) run ./examples/bench $(BENCH)

fuzz: ## every fuzz target for ten seconds
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime 10s $$pkg || exit 1; \
	  done; done

lint: ## golangci-lint
	$(GO) run $(GOLANGCI) run

build: ; $(GO) build -trimpath -ldflags '-s -w' -o bin/brunt ./cmd/brunt
