#!/usr/bin/env bash
# Builds the lab to bin/. The first build takes minutes, later ones seconds.
# The version is what the API server says to clients that ask for its own.
set -euo pipefail
cd "$(dirname "$0")"
version=k8s.io/component-base/version
go build -p 2 -ldflags "-s -w -X $version.gitVersion=v1.36.3 -X $version.gitMajor=1 -X $version.gitMinor=36" -o ../../bin/lab .
