// Package limits says beforehand what of a machine would run out: open files,
// local ports, memory, connection tracking, processors; and what about it
// makes measurements worse than they need be. It reads a file tree as Linux
// shows it and touches nothing. Where it cannot tell, it says so.
package limits
