//go:build !unix

package cluster

import (
	"os"
	"syscall"
)

func apart() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) error { return p.Kill() }
