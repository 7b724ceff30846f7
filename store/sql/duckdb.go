package sql

import (
	"fmt"
	"strings"

	"tyto/store"
)

// DuckDB is the dialect of DuckDB 1.5. Text search folds case with lower, which
// is faster than ILIKE there.
var DuckDB = &Dialect{
	Quote: func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` },
	Param: func(n int) string { return fmt.Sprintf("$%d", n) },
	Ops: map[store.Op]string{
		store.Not: "NOT %[1]s", store.Exists: "%[1]s IS NOT NULL",
		store.Equal: "%[1]s = %[2]s", store.NotEqual: "%[1]s <> %[2]s",
		store.Less: "%[1]s < %[2]s", store.LessEqual: "%[1]s <= %[2]s", store.Greater: "%[1]s > %[2]s", store.GreaterEqual: "%[1]s >= %[2]s",
		store.Contains: "contains(lower(%[1]s), lower(%[2]s))", store.Starts: "starts_with(lower(%[1]s), lower(%[2]s))",
		store.Ends: "ends_with(lower(%[1]s), lower(%[2]s))", store.Regex: "regexp_matches(%[1]s, %[2]s)",
		store.Has: "list_contains(%[1]s, %[2]s)",
		store.Add: "%[1]s + %[2]s", store.Sub: "%[1]s - %[2]s", store.Mul: "%[1]s * %[2]s", store.Div: "%[1]s / nullif(%[2]s, 0)",
		store.Bin:  "%[1]s - %[1]s %% %[2]s",
		store.Hour: "CAST((%[1]s // 3600000000000) %% 24 AS UBIGINT)", store.Day: "CAST((%[1]s // 86400000000000 + 4) %% 7 AS UBIGINT)",
		store.Length: "CAST(length(%[1]s) AS UBIGINT)", store.Lower: "lower(%[1]s)",
		store.Log: "ln(1 + greatest(%[1]s, 0))", store.Abs: "abs(%[1]s)",
		store.Minus: "CAST(%[1]s AS HUGEINT) - CAST(%[2]s AS HUGEINT)",
		store.Item:  "split_part(%[1]s, %[2]s, %[3]s)",
	},
	Funcs: map[store.Func]string{
		store.Count: "count(%s)", store.Sum: "sum(%s)", store.Mean: "avg(%s)", store.Min: "min(%s)", store.Max: "max(%s)",
		store.Median: "median(%s)", store.P95: "quantile_cont(%s, 0.95)", store.Spread: "stddev_pop(%s)", store.Distinct: "count(DISTINCT %s)",
		store.Values: fmt.Sprintf("list_slice(list_sort(list(DISTINCT %%[1]s) FILTER (WHERE %%[1]s IS NOT NULL)), 1, %d)", store.MaxValues),
	},
	Double: "CAST(%s AS DOUBLE)", Integer: "TRY_CAST(%s AS BIGINT)",
	Saturated: "CAST(greatest(least(%s, 9223372036854775807), -9223372036854775808) AS BIGINT)",
	Prefix:    "starts_with(%[1]s, %[2]s)",
	Octet:     "TRY_CAST(split_part(%[1]s, '.', %[2]d) AS UINTEGER)",
	Hextet:    "TRY_CAST('0x' || coalesce(nullif(split_part(%[1]s, ':', %[2]d), ''), '0') AS UINTEGER)",
	Semi:      "SEMI JOIN", Anti: "ANTI JOIN",
}
