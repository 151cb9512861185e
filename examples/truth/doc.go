// Package truth is a server whose delays are known: it answers each request
// after a time that was planted by the request's path, measures what it really
// did, and says so. Whoever loads it can compare what they measured with what
// happened. It is for calibrating brunt and for comparing load generators.
//
// The path says what is planted. Durations are Go's, shares are from 0 to 1:
//
//	/none                       answered at once
//	/fixed/DELAY                each answer DELAY after its request
//	/md1/SERVICE                a single server with a queue; each request is served for SERVICE
//	/mm1/MEAN                   the same with exponential service times
//	/bimodal/FAST/SLOW/SHARE    SHARE of the requests take SLOW, the others FAST
//	/stall/LENGTH/EVERY         what arrives in the last LENGTH of EVERY is answered at its end,
//	                            everything else at once; counted from the first request
//	/errors/SHARE               SHARE of the answers are 503
//	/resets/SHARE               SHARE of the connections are reset in place of an answer
//	/hangs/SHARE                SHARE of the requests are never answered
//	/truth                      GET: what happened, for each path, as JSON ([Report]);
//	                            DELETE: forget it, and start all plants anew
//
// A query (?n=17) is ignored, so that requests can differ. Each path has its
// own queue, clock and random numbers; the same path gives the same numbers in
// every process.
//
// # How true it is
//
// A delay is counted from the moment the kernel took the request's last packet
// in (SO_TIMESTAMPNS), not from the moment this process woke up, which on an
// idle virtual machine is up to a fifth of a millisecond later. It ends just
// before the answer is handed to the kernel. One thread does everything: it
// sleeps in epoll with nanosecond timeouts until shortly before the next answer
// is due and looks without sleeping for the rest. By how much each answer was
// late all the same is in the report (late_ns); p50 is about a microsecond.
// What is reported as the delay is the time really taken, lateness included.
//
// The queues of M/D/1 and M/M/1 are kept in virtual time: a request departs at
// max(its arrival, the departure before it) + its service time, so that no
// wake-up of this process ever lengthens the queue.
//
// An answer without a plant in its way is 66 bytes, header and body. Linux only.
package truth
