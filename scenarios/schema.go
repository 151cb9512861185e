package scenarios

import (
	"maps"
	"slices"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// Schema is the JSON Schema (draft-07) of scenario files, made of the same
// structs that they are decoded into. It serves editors: it knows shapes and
// keys, and leaves what takes understanding (names, sums, statements) to
// Parse. What is not built yet is in it, so that editors complete it.
func Schema(kinds Kinds) map[string]any {
	definitions := map[string]map[string]any{
		"vars":         mapOf(decode.Schema(text{})),
		"data":         mapOf(decode.Schema(feedOptions{})),
		"proxies":      mapOf(decode.Schema(ProxySpec{})),
		"resolvers":    mapOf(decode.Schema(ResolverSpec{})),
		"load":         mapOf(decode.Ref("offer")),
		"level":        oneOrList(stretchSchema()),
		"expectations": oneOrList(decode.Ref("expectation")),
		"phases":       {"type": "array", "minItems": 1, "items": decode.Schema(phase{})},
		"arrivals":     {"anyOf": []any{map[string]any{"type": "string", "pattern": `^(constant|poisson)$|^sine\s*\(|\$`}, decode.Schema(traceOptions{})}},
		"offer":        {"anyOf": []any{oneOrList(stretchSchema()), decode.Schema(rateOptions{})}},
		"expectation":  expectationSchema(kinds),
		"baseline":     {"type": "object"},
		"prometheus":   {"type": "string"},
	}
	generators := map[string]any{}
	for _, k := range kinds.Generators {
		generators[k.Name] = described(withoutRequired(decode.Schema(k.Config()), "steps"), k.Doc)
	}
	loads := kindSchema(decode.Schema(loadOptions{}), generators, plannedDocs(kinds, "generator"))
	steps := []any{}
	for _, k := range kinds.Generators {
		if s, ok := propertyOf(decode.Schema(k.Config()), "steps"); ok {
			steps = append(steps, s)
		}
	}
	if len(steps) > 0 {
		loads["properties"].(map[string]any)["steps"] = map[string]any{"anyOf": steps, "description": "The flow that each arrival plays, in order."}
	}
	definitions["loads"] = mapOf(loads)

	faults := map[string]any{}
	for _, k := range kinds.Faults {
		faults[k.Name] = described(decode.Schema(k.Config()), k.Doc)
	}
	definitions["choices"] = map[string]any{"type": "array", "minItems": 2, "items": kindSchema(nil, faults, plannedDocs(kinds, "fault"))}
	fault := kindSchema(decode.Schema(faultOptions{}), faults, plannedDocs(kinds, "fault"))
	one, _ := fault["oneOf"].([]any)
	fault["oneOf"] = append(one, map[string]any{"required": []any{"one_of"}})
	definitions["faults"] = mapOf(fault)

	probes := map[string]any{}
	for _, k := range kinds.Probes {
		probes[k.Name] = described(decode.Schema(k.Config()), k.Doc)
	}
	definitions["watch"] = mapOf(kindSchema(nil, probes, plannedDocs(kinds, "probe")))
	return decode.SchemaDocument(decode.Schema(document{}), "brunt scenario", definitions)
}

func mapOf(value map[string]any) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": value}
}

func oneOrList(item map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{item, map[string]any{"type": "array", "items": item}}}
}

// stretchSchema is a stretch of a load: 500/s, 0/s -> 500/s in 30s, or 50.
func stretchSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": 0},
		map[string]any{"type": "string", "pattern": `^\s*[0-9.]+([kM]?/(s|m|min|h))?(\s*->\s*[0-9.]+([kM]?/(s|m|min|h))?)?(\s+(in|for)\s+\S+)?\s*$|\$`},
	}}
}

func plannedDocs(kinds Kinds, role string) map[string]string {
	out := map[string]string{}
	for _, k := range kinds.Planned {
		if k.Role == role {
			out[k.Name] = k.Doc
		}
	}
	return out
}

// kindSchema is a map with exactly one key that names a kind, beside keys of
// the language's own.
func kindSchema(own map[string]any, kinds map[string]any, planned map[string]string) map[string]any {
	properties := map[string]any{}
	if p, ok := own["properties"].(map[string]any); ok {
		maps.Copy(properties, p)
	}
	one := []any{}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		properties[name] = kinds[name]
		one = append(one, map[string]any{"required": []any{name}})
	}
	for _, name := range slices.Sorted(maps.Keys(planned)) {
		doc := "Not built yet."
		if planned[name] != "" {
			doc = planned[name] + " " + doc
		}
		properties[name] = map[string]any{"description": doc}
		one = append(one, map[string]any{"required": []any{name}})
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(one) > 0 {
		out["oneOf"] = one
	}
	return out
}

func expectationSchema(kinds Kinds) map[string]any {
	forms := []any{map[string]any{"type": "string"}, decode.Schema(expectOptions{}), decode.Schema(autoscalerOptions{})}
	if slices.ContainsFunc(kinds.Probes, func(k ProbeKind) bool { return k.Name == healthProbe }) {
		forms = append(forms, map[string]any{"type": "object", "required": []any{healthProbe}})
	}
	for _, name := range slices.Sorted(maps.Keys(plannedDocs(kinds, "expectation"))) {
		forms = append(forms, map[string]any{"type": "object", "required": []any{name}, "description": "Not built yet."})
	}
	return map[string]any{"anyOf": forms}
}

func described(s map[string]any, doc string) map[string]any {
	if doc == "" {
		return s
	}
	out := maps.Clone(s)
	out["description"] = doc
	return out
}

// objectOf is the part of a schema that describes a map.
func objectOf(s map[string]any) (map[string]any, bool) {
	if _, ok := s["properties"]; ok {
		return s, true
	}
	options, _ := s["anyOf"].([]any)
	for _, o := range options {
		if m, ok := o.(map[string]any); ok {
			if found, ok := objectOf(m); ok {
				return found, true
			}
		}
	}
	return nil, false
}

func propertyOf(s map[string]any, key string) (any, bool) {
	object, ok := objectOf(s)
	if !ok {
		return nil, false
	}
	property, ok := object["properties"].(map[string]any)[key]
	return property, ok
}

// withoutRequired lets a key be absent: it may stand beside the kind.
func withoutRequired(s map[string]any, key string) map[string]any {
	object, ok := objectOf(s)
	if !ok {
		return s
	}
	required, _ := object["required"].([]any)
	required = slices.DeleteFunc(slices.Clone(required), func(r any) bool { return r == key })
	if len(required) == 0 {
		delete(object, "required")
	} else {
		object["required"] = required
	}
	return s
}
