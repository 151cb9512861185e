#!/bin/sh
# Load from real pods: make e2e-pods. Takes root and Debian; builds the lab, the
# kubelet and a static brunt into bin/.
set -eu
cd "$(dirname "$0")/../.."
go=${GO:-go}
apt-get install -y -qq containerd runc containernetworking-plugins iptables iproute2 >/dev/null
examples/lab/build.sh
(cd examples/kubelet && $go build -trimpath -o ../../bin/kubelet k8s.io/kubernetes/cmd/kubelet)
CGO_ENABLED=0 $go build -trimpath -o bin/brunt-static ./cmd/brunt
export BRUNT_LAB=$PWD/bin/lab BRUNT_KUBELET=$PWD/bin/kubelet BRUNT_STATIC=$PWD/bin/brunt-static
exec $go test -tags e2e -count=1 -timeout 15m -run PodsE2E ./scenarios/cluster/pods
