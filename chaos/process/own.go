package process

import "slices"

// ownCommands are the commands of brunt whose processes are no part of any
// target: those that hold, undo and carry out faults, and runs themselves.
var ownCommands = []string{"run", "gameday", "quick", "undo", "reaper", "worker", "proxy", "resolver", "network", "stress"}

// OwnCommands are the commands of brunt whose processes are protected.
func OwnCommands() []string { return slices.Clone(ownCommands) }
