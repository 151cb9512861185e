// Package kills has no code of its own. Its tests, with the tag e2e, are the
// kill matrix: at every transition of a fault of every kind, whatever stands
// between the fault and its undo is killed, stopped past the lease, starved of
// disk space or told another time, and the system itself is asked whether
// everything is as it was before. KILLS.md has the table.
//
// The same targets serve to measure what faults do; EFFECTS.md has that.
//
//	make e2e-kill                                                the matrix, some random kills, the effects
//	make e2e-kube                                                the matrix of what is in a cluster, in the lab
//	go test -tags e2e ./chaos/kills -run Matrix -update          writes KILLS.md anew
//	go test -tags e2e ./chaos/kills -run RandomKills -kills 1000
//	go test -tags e2e ./chaos/kills -run Matrix -only proxy/injected
package kills
