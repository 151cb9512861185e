package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}

// environment describes the machine that offers the load.
func environment() map[string]string {
	env := map[string]string{
		"brunt": version(),
		"go":    runtime.Version(),
		"os":    runtime.GOOS + "/" + runtime.GOARCH,
		"cores": strconv.Itoa(runtime.GOMAXPROCS(0)),

		"calibration": calibrationLine(),
	}
	if host, err := os.Hostname(); err == nil {
		env["host"] = host
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		env["kernel"] = strings.TrimSpace(string(kernel))
	}
	return env
}
