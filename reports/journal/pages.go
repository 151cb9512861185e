package journal

// Recording wants an array for speed and a sparse structure for space: an
// array over the whole range takes 132 KiB, and one is needed per second,
// step, outcome and measure, while the values of one second lie within a few
// doublings. So the range is cut into pages, made when first hit and reused.
const (
	pageBits = 8
	pageLen  = 1 << pageBits
	numPages = countsLen / pageLen
)

type page [pageLen]uint32

// Measures as the recorder indexes them.
const (
	mResponse = iota
	mService
	mWait
	mDNS
	mConnect
	mTLS
	mFirstByte
	numMeasures
)

// measureAt names the measures in that order. A function, not a variable, so
// that nobody can change it.
func measureAt(i int) Measure {
	return [numMeasures]Measure{Response, Service, Wait, DNS, Connect, TLS, FirstByte}[i]
}

// A cell counts the operations of one step and outcome due in one second.
type cell struct {
	second int64
	pages  [numMeasures][numPages]*page
}

// A slot holds the cells of one step and outcome. Nearly always the sample at
// hand belongs to the same second as the one before.
type slot struct {
	last  *cell
	cells []*cell
}

// A table is what one shard recorded between two flushes. Pages and cells
// come from free lists, so recording allocates only while the shape of the
// load is new.
type table struct {
	steps    int
	outcomes []string
	slots    []slot // [outcome*steps + step]

	freePages []*page
	freeCells []*cell
	usedPages int
	usedCells int
}

func (t *table) record(s *Sample) {
	c := t.cell(s.Step, s.Outcome, int64(max(s.Due, 0))/int64(second))
	t.add(c, mResponse, int64(s.Ended-s.Due))
	if s.Started >= 0 {
		t.add(c, mService, int64(s.Ended-s.Started))
		t.add(c, mWait, int64(s.Started-s.Due))
	} else {
		t.add(c, mWait, int64(s.Ended-s.Due))
	}
	if s.DNS > 0 {
		t.add(c, mDNS, int64(s.DNS))
	}
	if s.Connect > 0 {
		t.add(c, mConnect, int64(s.Connect))
	}
	if s.TLS > 0 {
		t.add(c, mTLS, int64(s.TLS))
	}
	if s.FirstByte > 0 {
		t.add(c, mFirstByte, int64(s.FirstByte))
	}
}

func (t *table) add(c *cell, measure int, v int64) {
	i := indexOf(clamp(v))
	p := c.pages[measure][i>>pageBits]
	if p == nil {
		p = t.newPage()
		c.pages[measure][i>>pageBits] = p
	}
	p[i&(pageLen-1)]++
}

func (t *table) cell(step int, outcome string, sec int64) *cell {
	s := &t.slots[t.outcome(outcome)*t.steps+step]
	if s.last != nil && s.last.second == sec {
		return s.last
	}
	for i := len(s.cells) - 1; i >= 0; i-- {
		if s.cells[i].second == sec {
			s.last = s.cells[i]
			return s.last
		}
	}
	s.last = t.newCell(sec)
	s.cells = append(s.cells, s.last)
	return s.last
}

// outcome returns the index of a class. There are a dozen at most, and the
// first is met most often.
func (t *table) outcome(name string) int {
	for i, o := range t.outcomes {
		if o == name {
			return i
		}
	}
	t.outcomes = append(t.outcomes, name)
	t.slots = append(t.slots, make([]slot, t.steps)...)
	return len(t.outcomes) - 1
}

func (t *table) newPage() *page {
	t.usedPages++
	if n := len(t.freePages); n > 0 {
		p := t.freePages[n-1]
		t.freePages = t.freePages[:n-1]
		return p
	}
	return new(page)
}

func (t *table) newCell(sec int64) *cell {
	t.usedCells++
	if n := len(t.freeCells); n > 0 {
		c := t.freeCells[n-1]
		t.freeCells = t.freeCells[:n-1]
		c.second = sec
		return c
	}
	return &cell{second: sec}
}

// reset empties the table and keeps what it was made of for the next time.
func (t *table) reset() {
	for i := range t.slots {
		s := &t.slots[i]
		for _, c := range s.cells {
			for m := range c.pages {
				for k, p := range c.pages[m] {
					if p != nil {
						*p = page{}
						t.freePages = append(t.freePages, p)
						c.pages[m][k] = nil
					}
				}
			}
			t.freeCells = append(t.freeCells, c)
		}
		clear(s.cells)
		s.last, s.cells = nil, s.cells[:0]
	}
	t.freePages = trim(t.freePages, t.usedPages)
	t.freeCells = trim(t.freeCells, t.usedCells)
	t.usedPages, t.usedCells = 0, 0
}

// trim lets go of half of what was not needed this time, so that the memory
// of a stall is given back within some seconds, and not at the first lull.
func trim[T any](free []*T, used int) []*T {
	if spare := len(free) - used; spare > 0 {
		keep := used + spare/2
		clear(free[keep:])
		free = free[:keep]
	}
	return free
}
