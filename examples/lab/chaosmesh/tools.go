//go:build tools

package main

// The real controller, built from here by build.sh.
import _ "github.com/chaos-mesh/chaos-mesh/cmd/chaos-controller-manager"
