package hunt

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tyto/store"
)

// Reference returns the reference of the language in Markdown, made from the
// operators, functions and hunts: docs/hunt.md and the text of tyto hunt --help.
func Reference() string {
	var b strings.Builder
	b.WriteString(grammar)
	b.WriteString("\n## Operators\n")
	for _, o := range operators() {
		fmt.Fprintf(&b, "\n### %s\n\n`%s`\n\n%s\n\n    %s\n", o.Name, o.Usage, o.Doc, o.Example)
	}
	b.WriteString("\n## Functions\n\nOf a row, in conditions and columns:")
	for _, op := range functions() {
		fmt.Fprintf(&b, " `%s`", op)
	}
	b.WriteString(".\nOf many rows, in `stats`, `top` and `rare`:")
	for _, f := range store.Funcs() {
		fmt.Fprintf(&b, " `%s`", f)
	}
	b.WriteString(".\n\n## Hunts\n")
	for _, h := range Hunts() {
		fmt.Fprintf(&b, "\n### %s\n\n%s (%s). %s\n\n    %s\n", h.Name, h.Title, strings.Join(h.Techniques, ", "), h.Doc, h.Query)
	}
	return b.String()
}

// grammar is what the reference says before its lists.
const grammar = "# The hunting language\n\nMade from the code by `make generate`.\n\n" +
	"    KIND [last TIME | from TIME to TIME] [where CONDITION] | OPERATOR | …\n\n" +
	"KIND is a kind of record ([fields.md](fields.md)), or entities: `devices`, `users`, `services`, `domains`, `addresses`, `networks`,\n" +
	"`certificates`, `fingerprints`, `software`, `files`, `organisations`, `interfaces`. Fields have the names that records have.\n\n" +
	"- **Conditions** compare: `=` `!=` `<` `<=` `>` `>=` `contains` `startswith` `endswith` `matches` (a regular expression), `in (a, b)`,\n" +
	"  `exists FIELD`; joined by `and`, `or`, `not` and parentheses. `=` takes `*` for any characters (`domain = *.example.com`), a network for\n" +
	"  addresses (`id.orig_h = 10.0.0.0/8`), and an element for lists (`notes = cut`). A field without a value fits no comparison: ask with\n" +
	"  `exists`.\n" +
	"- **Values** are written as they are or in double quotes; in quotes `*` is a star. Numbers take k, M, G, kB, MB, KiB, …; lengths of time\n" +
	"  30s, 5m, 1h30m, 7d; times 2026-11-24, 2026-11-24T14:02, seconds, or -7d for that long before now. Now is the time of the latest record.\n" +
	"- **Calculations** with `+ - * /` (with spaces around) on fields and numbers; lengths of time count in nanoseconds there, so divide them by\n" +
	"  1s. A field on the right of a comparison stands in parentheses: `orig_bytes > (resp_bytes)`.\n" +
	"- **Names** that read as something else stand in backquotes.\n"

// Shells are those that Completion knows.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Completion returns the script that completes tyto hunt in a shell: kinds,
// operators and hunts.
func Completion(shell string, kinds *store.Kinds) (string, error) {
	words := slices.Sorted(maps.Keys(entityKinds))
	for _, k := range kinds.All() {
		words = append(words, k.Name)
	}
	for _, o := range operators() {
		words = append(words, o.Name)
	}
	for _, h := range Hunts() {
		words = append(words, h.Name)
	}
	words = append(words, "where", "and", "or", "not", "exists", "contains", "startswith", "endswith", "matches", "by", "as", "on", "within", "last")
	slices.Sort(words)
	list := strings.Join(slices.Compact(words), " ")
	switch shell {
	case "bash":
		return "_tyto_hunt() {\n  [ \"${COMP_WORDS[1]}\" = hunt ] || return\n  COMPREPLY=($(compgen -W '" + list + "' -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _tyto_hunt tyto\n", nil
	case "zsh":
		return "#compdef tyto\n_tyto() {\n  [[ ${words[2]} == hunt ]] || { _files; return }\n  compadd -- " + list + "\n}\ncompdef _tyto tyto\n", nil
	case "fish":
		return "complete -c tyto -n '__fish_seen_subcommand_from hunt' -f -a '" + list + "'\n", nil
	}
	return "", fmt.Errorf("there is no completion for %s: use %s", shell, strings.Join(Shells(), ", "))
}
