// Package uring sends on many sockets with one system call, by Linux's
// io_uring. Elsewhere there is nothing in it.
package uring
