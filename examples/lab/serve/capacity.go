package serve

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Annotations of a pod (so: of a workload's pod template) that say what it can do.
const (
	ServiceTime = "lab.brunt.dev/service-time" // how long one request keeps a slot busy, such as 20ms
	Concurrency = "lab.brunt.dev/concurrency"  // slots: requests worked on at once
	Queue       = "lab.brunt.dev/queue"        // requests that may wait for a slot; more are answered 503
	CPU         = "lab.brunt.dev/cpu"          // CPU used when all slots are busy, such as 500m; default: what the pod requests
)

// capacity is what one pod can do.
type capacity struct {
	service time.Duration
	slots   int
	queue   int
	milli   int64 // thousandths of a CPU with all slots busy
}

// capacityOf reads a pod's annotations. A pod without any takes 10 ms for a
// request, works on 8 at once and lets 64 wait.
func capacityOf(p *corev1.Pod) (capacity, error) {
	c := capacity{service: 10 * time.Millisecond, slots: 8, queue: 64, milli: requested(p)}
	if s, ok := p.Annotations[ServiceTime]; ok {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > time.Minute {
			return c, fmt.Errorf("annotation %s: %q is no duration from 0s to 1m", ServiceTime, s)
		}
		c.service = d
	}
	for key, field := range map[string]*int{Concurrency: &c.slots, Queue: &c.queue} {
		if s, ok := p.Annotations[key]; ok {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || n > 100_000 || n == 0 && key == Concurrency {
				return c, fmt.Errorf("annotation %s: %q is no count up to 100000", key, s)
			}
			*field = n
		}
	}
	if s, ok := p.Annotations[CPU]; ok {
		q, err := resource.ParseQuantity(s)
		if err != nil || q.Sign() < 0 {
			return c, fmt.Errorf("annotation %s: %q is no quantity such as 500m", CPU, s)
		}
		c.milli = q.MilliValue()
	}
	return c, nil
}

// requested is the CPU that the pod's containers request, or a tenth of one.
func requested(p *corev1.Pod) int64 {
	var sum int64
	for _, c := range p.Spec.Containers {
		sum += c.Resources.Requests.Cpu().MilliValue()
	}
	if sum == 0 {
		return 100
	}
	return sum
}
