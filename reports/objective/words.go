package objective

import (
	"slices"
	"strings"
)

// The words of the language. A name that is one of them must be quoted.
var (
	keywords   = []string{"in", "within", "after", "while", "for", "calm"}
	aggregates = []string{"min", "mean", "max"}
	measures   = []string{"response", "service", "wait", "dns", "connect", "tls", "first_byte"}
	counters   = []string{"offered", "sent", "completed", "dropped"}
	// classes are the classes of failure that generators tell apart. They are
	// listed because a class spelled wrong would count nothing and so always hold.
	classes = []string{"dns", "refused", "connect", "tls", "reset", "timeout", "protocol", "status", "check", "dropped", "local", "other"}
	// otherMetrics take their place in a subject after a load's or probe's name.
	otherMetrics = []string{"errors", "rate", "status", "last", "failures"}
)

// metricWords are what may come last in a subject, for suggestions.
func metricWords() []string {
	return slices.Concat([]string{"p50", "p90", "p95", "p99", "p99.9"}, aggregates, otherMetrics, counters)
}

// synonyms are words that people bring from other tools, and ours for them.
var synonyms = map[string]string{
	"avg": "mean", "average": "mean",
	"med": "p50", "median": "p50",
	"maximum": "max", "minimum": "min",
	"error": "errors", "error_rate": "errors", "errorRate": "errors", "err": "errors", "fail": "errors", "failed_rate": "errors",
	"http_req_failed": "errors", "http_req_duration": "p99",
	"latency": "p99", "duration": "p99", "response_time": "p99", "percentile": "p99",
	"rps": "rate", "qps": "rate", "tps": "rate", "throughput": "rate", "reqs": "rate", "http_reqs": "rate",
	"count": "completed", "requests": "completed", "total": "completed", "iterations": "completed",
	"dropped_iterations": "dropped", "drops": "dropped",
	"ttfb": "first_byte.p99", "waiting": "first_byte.p99",
	"codes": "status.503", "code": "status.503",
	"success": "errors", "checks": "errors.check", "timeouts": "errors.timeout",
	"value": "last", "current": "last",
}

// reserved reports whether a bare name would be read as a word of the language.
func reserved(name string) bool {
	if percentile(name) {
		return true
	}
	return slices.Contains(keywords, name) || name == "ok" || name == "failed" ||
		slices.Contains(aggregates, name) || slices.Contains(measures, name) ||
		slices.Contains(counters, name) || slices.Contains(otherMetrics, name)
}

// percentile says whether the word is a pNN. It does not look at the range.
func percentile(word string) bool {
	digits, ok := strings.CutPrefix(word, "p")
	return ok && allDigits(digits)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// suggest gives the candidate that word was most likely meant to be, or "".
func suggest(word string, candidates []string) string {
	best, distance := "", max(1, min(2, len(word)/3))+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), c); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// suggestMetric is suggest for the last word of a subject, synonyms included.
func suggestMetric(word string) string {
	if s, ok := synonyms[word]; ok {
		return s
	}
	if s, ok := synonyms[strings.ToLower(word)]; ok {
		return s
	}
	return suggest(word, metricWords())
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment). It is bounded by what it is given:
// words longer than 40 bytes are as far as can be.
func editDistance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return max(len(a), len(b))
	}
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
