// Package decode reads scenario files: YAML with exact positions into plain Go
// structs, every problem reported at once with its place, a caret and a hint.
// The same struct tags give defaults and checks, JSON Schema and the text of
// `brunt explain`.
//
// A config is a struct whose fields carry tags:
//
//	yaml:"name"      the key; "-" or no tag hides the field; ",inline" flattens an embedded struct
//	doc:"…"          one sentence
//	default:"5s"     in scenario syntax; applied when the key is absent or empty
//	unit:"bytes"     for integers and floats: bytes, bandwidth (bytes a second), ratio or rate
//	enum:"a,b,c"     the only texts allowed
//	required:"true"  the key must be there and not be empty
//	min:"1" max:"…"  inclusive, in scenario syntax; a duration may be negative only if min is
//	example:"…"      for hints, schema and explain
//	template:"true"  strings (also those inside maps, lists and any) may hold run-time expressions
//	scalar:"true"    a lone scalar given for the struct goes into this field
//
// Field types are string, bool, integers, floats, time.Duration (always a
// duration), slices (a lone scalar is a slice of one), map[string]T, structs,
// pointers (nil when absent) and any (map[string]any, []any, string, int64,
// uint64, float64, bool, nil). A type may take over its decoding with
// DecodeNode, its schema with JSONSchema, and check itself with Validate.
//
// Everything here is bounded: a hostile file is refused by Limits before it
// can cost memory or time. Nothing here is safe for concurrent use except the
// plain functions, which keep no state.
package decode

// Limits of what Parse takes. A file past one of them is refused with a
// problem that names the limit.
const (
	MaxSize      = 1 << 20 // bytes of source
	MaxDepth     = 64      // maps and lists inside each other, aliases followed
	MaxMarks     = 100_000 // characters that could mean structure, counted before anything is built
	MaxValues    = 20_000  // scalars, keys and list items, as written
	MaxKeys      = 2_000   // keys of one map
	MaxKeyLength = 256     // bytes of one key
	MaxExpanded  = 50_000  // values once aliases and merges are followed
	MaxProblems  = 50      // problems printed; the rest is counted
)
