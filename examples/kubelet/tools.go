//go:build tools

// Package kubelet pins the kubelet that make e2e-pods runs real pods with:
//
//	go build -o ../../bin/kubelet k8s.io/kubernetes/cmd/kubelet
package kubelet

import _ "k8s.io/kubernetes/cmd/kubelet"
