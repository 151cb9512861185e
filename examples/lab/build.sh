#!/usr/bin/env bash
# Builds the lab to bin/. The first build takes minutes, later ones seconds.
# The version is what the API server says to clients that ask for its own.
set -euo pipefail
cd "$(dirname "$0")"
version=k8s.io/component-base/version
go build -p 2 -ldflags "-s -w -X $version.gitVersion=v1.36.3 -X $version.gitMajor=1 -X $version.gitMinor=36" -o ../../bin/lab .

# The definitions of other projects' kinds, as their modules ship them. None of
# their code is built, so they are no requirements of this module.
crds=$PWD/../../bin/crds
definitions="istio.io/api@v1.32.0 kubernetes/customresourcedefinitions.gen.yaml
sigs.k8s.io/gateway-api@v1.5.1 config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
github.com/kedacore/keda/v2@v2.18.1 config/crd/bases/keda.sh_scaledobjects.yaml
sigs.k8s.io/karpenter@v1.8.0 pkg/apis/crds/karpenter.sh_nodeclaims.yaml
sigs.k8s.io/karpenter@v1.8.0 pkg/apis/crds/karpenter.sh_nodepools.yaml"
if [ "$(cat "$crds/version" 2>/dev/null)" != "$definitions" ]; then
	rm -rf "$crds"
	mkdir -p "$crds"
	while read -r module file; do
		dir=$(cd / && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
		install -m 644 "$dir/$file" "$crds/"
	done <<<"$definitions"
	echo "$definitions" >"$crds/version"
fi

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
