package lane

// A list holds the connections in flight in the order they started, which is
// the order in which they run out of time.
type list struct{ first, last *conn }

// push takes in c. It started last, unless it is sent again: its clock runs on.
func (l *list) push(c *conn) {
	before := l.last
	for before != nil && before.started > c.started {
		before = before.prev
	}
	c.prev = before
	if before == nil {
		c.next, l.first = l.first, c
	} else {
		c.next, before.next = before.next, c
	}
	if c.next == nil {
		l.last = c
	} else {
		c.next.prev = c
	}
}

func (l *list) remove(c *conn) {
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}
