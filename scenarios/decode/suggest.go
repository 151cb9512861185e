package decode

// Suggest is the candidate nearest to word by edit distance, where a swap of
// neighbours counts as one edit, case as none; "" when nothing is near. The
// first of equally near candidates wins.
func Suggest(word string, candidates []string) string {
	const longest = 64 // nobody mistypes more, and the cost is quadratic
	if word == "" || len(word) > longest {
		return ""
	}
	folded := fold(word)
	best, bestDistance := "", 0
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		d := distance(folded, fold(c))
		allowed := max(1, min(len(word), len(c))/3)
		if len(word) <= 2 && d > 0 && len(c) <= 2 {
			continue // "h1" is not a slip for "h2"
		}
		if d <= allowed && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// fold makes maxInFlight, max-in-flight and max_in_flight the same word.
func fold(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_' || c == '-' || c == ' ':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return out
}

// distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours.
func distance(a, b []byte) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
