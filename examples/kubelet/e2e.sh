#!/bin/sh
# Load from real pods: make e2e-pods. Takes root and Debian; installs what it
# needs, and builds the lab, the kubelet and a static brunt into bin/, which takes
# minutes the first time.
set -eu
cd "$(dirname "$0")/../.."
go=${GO:-go}
[ "$(id -u)" = 0 ] || { echo "make e2e-pods: real pods take root" >&2; exit 1; }
apt-get update -qq
apt-get install -y -qq containerd runc containernetworking-plugins iptables iproute2 procps util-linux >/dev/null
bounded="timeout -k 10 1200"
$bounded examples/lab/build.sh
(cd examples/kubelet && $bounded $go build -p 2 -trimpath -o ../../bin/kubelet k8s.io/kubernetes/cmd/kubelet)
CGO_ENABLED=0 $bounded $go build -trimpath -o bin/brunt-static ./cmd/brunt
export BRUNT_LAB=$PWD/bin/lab BRUNT_KUBELET=$PWD/bin/kubelet BRUNT_STATIC=$PWD/bin/brunt-static
exec $go test -tags e2e -count=1 -timeout 15m -run PodsE2E ./scenarios/cluster/pods
