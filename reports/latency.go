package reports

import (
	"math"

	"github.com/brunt-dev/brunt/reports/journal"
)

// gather adds up one measure of a load or step over spans; nil when there are
// no samples.
func gather(j *journal.Journal, load, step string, m journal.Measure, o journal.Outcomes, spans []span) *journal.Rolling {
	var r *journal.Rolling
	for _, s := range spans {
		s = s.seconds()
		for _, sec := range j.Seconds(load, step, m, s.from, s.to) {
			if r == nil {
				r = journal.NewRolling(o)
			}
			r.Add(sec)
		}
	}
	if r == nil || r.Count() == 0 {
		return nil
	}
	return r
}

// latency sums up what was gathered; nil of nil.
func latency(r *journal.Rolling) *Latency {
	if r == nil {
		return nil
	}
	l := &Latency{Count: r.Count()}
	// There are samples, so none of these is without an answer.
	l.Min, _ = r.Min()
	l.Mean, _ = r.Mean()
	l.Max, _ = r.Max()
	l.P50, _ = r.Quantile(50)
	l.P75, _ = r.Quantile(75)
	l.P90, _ = r.Quantile(90)
	l.P95, _ = r.Quantile(95)
	l.P99, _ = r.Quantile(99)
	l.P99_9, _ = r.Quantile(99.9)
	l.P99_99, _ = r.Quantile(99.99)
	return l
}

// spectrumSteps is how many percentiles a spectrum has for each further nine.
const spectrumSteps = 8

// spectrum reads both measures off at percentiles that come closer to 100 by
// the same factor each, up to the one that a single operation decides.
func spectrum(response, service *journal.Rolling) *Spectrum {
	if response == nil || service == nil {
		return nil
	}
	s := &Spectrum{Percent: []float64{}, Response: []int64{}, Service: []int64{}}
	add := func(q float64) {
		a, _ := response.Quantile(q)
		b, _ := service.Quantile(q)
		s.Percent = append(s.Percent, q)
		s.Response = append(s.Response, int64(a))
		s.Service = append(s.Service, int64(b))
	}
	n := float64(response.Count())
	for k := 0; ; k++ {
		share := math.Pow(10, -float64(k)/spectrumSteps) // of operations that are slower
		if share*n < 1 {
			break
		}
		add(roundTo(100*(1-share), 7))
	}
	add(100)
	return s
}

// roundTo rounds to that many decimals, so that a number reads the same
// however it was computed.
func roundTo(v float64, decimals int) float64 {
	p := math.Pow(10, float64(decimals))
	return math.Round(v*p) / p
}
