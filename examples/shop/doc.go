// Package shop is the example stack: a small web shop of real processes on
// loopback, with everything that makes a stack interesting to break. It uses
// the standard library only.
//
//	                   ┌─► shop-1 ─┐
//	load ──► lb ───────┼─► shop-2 ─┼──► payments_via ──► payments
//	          ▲        └─► shop-N ─┘    (brunt's proxy, when there is one)
//	          │              ▲ busy share
//	        keeper ◄──── autoscaler
//
// The keeper is the platform: it starts, replaces and ends all the others, as
// a Deployment and a kubelet would, and it is the only process that is not a
// target for faults. The autoscaler is the HPA v2 algorithm; the lb is an
// HTTP load balancer with health checks. Replicas are named shop-1 to shop-N,
// and one that was killed comes back under its name with a new pid.
//
// # Capacity
//
// A replica has a fixed number of worker slots (2) and a bounded queue in
// front of them (64); what finds the queue full is answered 503. A request
// holds a slot for its service time, which is slept, not computed, so that
// many replicas fit on a small machine. Service times are drawn around a mean
// for each endpoint, mean × (0.6 + 0.4·Exp(1)), so the fastest takes 0.6 of the
// mean and the p99 is 2.4 of it:
//
//	GET  /products        12 ms
//	GET  /products/{id}    8 ms
//	POST /cart            16 ms + the call to payments (3 ms and the way there)
//	GET  /health           0 ms, holds no slot
//
// What a replica can serve follows by Little's law: slots / mean service time,
// where sleeping and HTTP add about 0.5 ms to each. That is 160 requests/s of
// GET /products, 235/s of GET /products/{id} or 100/s of POST /cart. With the
// default 2 to 6 replicas the stack serves 320 to 960 lists a second. The
// autoscaler aims at 65% of that.
//
// A slow dependency costs capacity, because a cart holds its slot while it
// waits for payments: 80 ms more there takes POST /cart from 100/s to 20/s
// for each replica, and whoever queues behind it waits too.
//
// # Lifeline
//
// Every process reads its standard input and ends when that ends. The keeper's
// is a pipe from the process that called [Start], all others' are pipes from
// the keeper, which also kills them, so that stopped ones go too. Whatever
// happens to the caller, SIGKILL included, nothing is left a moment later.
package shop
