#!/usr/bin/env bash
# Builds the lab to bin/. The first build takes minutes, later ones seconds.
# The version is what the API server says to clients that ask for its own.
set -euo pipefail
cd "$(dirname "$0")"
version=k8s.io/component-base/version
go build -p 2 -ldflags "-s -w -X $version.gitVersion=v1.36.3 -X $version.gitMajor=1 -X $version.gitMinor=36" -o ../../bin/lab .

# Chaos Mesh's controller, the fake of its daemon, and the definitions of its
# kinds, made from the very types that the controller has.
mesh=$PWD/../../bin/chaos-mesh
cd chaosmesh
mkdir -p "$mesh"
go build -p 2 -ldflags '-s -w' -o "$mesh/chaos-daemon-fake" .
go build -p 2 -ldflags '-s -w' -o "$mesh/chaos-controller-manager" github.com/chaos-mesh/chaos-mesh/cmd/chaos-controller-manager
api=$(go list -m -f '{{.Replace.Version}}' github.com/chaos-mesh/chaos-mesh/api)
if [ "$(cat "$mesh/crds/version" 2>/dev/null)" != "$api" ]; then
	rm -rf "$mesh/crds"
	go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.0 crd:maxDescLen=0 \
		paths=github.com/chaos-mesh/chaos-mesh/api/v1alpha1 output:crd:dir="$mesh/crds"
	echo "$api" >"$mesh/crds/version"
fi
