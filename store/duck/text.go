//go:build cgo && (linux || darwin || (windows && amd64))

package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	bind "github.com/duckdb/duckdb-go-bindings"

	"tyto/internal/record"
	"tyto/store"
	"tyto/store/sql"
)

// SQL answers one SELECT in DuckDB's SQL over the whole store. Every kind is a
// view of its name, in which times are timestamps and intervals are seconds. A
// statement that is anything but a SELECT is refused.
func (s *Store) SQL(ctx context.Context, text string, yield func(*store.Batch) error) error {
	done, err := s.ready([]span{{}})
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer done()
	k, err := s.db.connect() // of its own: its views end with it
	if err != nil {
		return err
	}
	defer k.close()
	if err := s.views(k, text); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	st, err := k.selectOnly(text)
	if err != nil {
		return err
	}
	return s.run(ctx, k, st, yield)
}

// views makes the views of the kinds that a text may mention.
func (s *Store) views(k *conn, text string) error {
	text = strings.ToLower(text)
	for _, kind := range s.kinds.All() {
		if !strings.Contains(text, strings.ToLower(kind.Name)) {
			continue
		}
		from, err := s.from(kind, 0, 0)
		if err != nil {
			return err
		}
		list := make([]string, len(kind.Fields))
		for i, f := range kind.Fields {
			name := quote(f.Name)
			switch f.Type {
			case record.Time:
				list[i] = "make_timestamp_ns(" + name + ") AS " + name
			case record.Interval:
				list[i] = name + " / 1e9 AS " + name
			default:
				list[i] = name
			}
		}
		if err := k.exec("CREATE TEMP VIEW " + quote(kind.Name) + " AS SELECT " + strings.Join(list, ", ") + " FROM " + from); err != nil {
			return err
		}
	}
	return nil
}

// selectOnly returns a statement that gives what text gives, in types that are
// read. The error is DuckDB's, or says that text is no SELECT.
func (k *conn) selectOnly(text string) (*sql.Statement, error) {
	var all bind.ExtractedStatements
	n := bind.ExtractStatements(k.c, text, &all)
	defer bind.DestroyExtracted(&all)
	if n == 0 {
		return nil, errors.New(tidy(bind.ExtractStatementsError(all)))
	}
	if n > 1 {
		return nil, errors.New("give one statement at a time")
	}
	var stmt bind.PreparedStatement
	defer bind.DestroyPrepare(&stmt)
	if bind.PrepareExtractedStatement(k.c, all, 0, &stmt) == bind.StateError {
		return nil, errors.New(tidy(bind.PrepareError(stmt)))
	}
	if bind.PreparedStatementType(stmt) != bind.StatementTypeSelect {
		return nil, errors.New("only SELECT is allowed here: the store is not changed by questions")
	}
	st := new(sql.Statement)
	var names, list []string
	for i := range bind.PreparedStatementColumnCount(stmt) {
		name := fmt.Sprintf("c%d", i)
		t, as := readAs(bind.PreparedStatementColumnType(stmt, i))
		st.Fields = append(st.Fields, record.Field{Name: bind.PreparedStatementColumnName(stmt, i), Type: t})
		names, list = append(names, name), append(list, fmt.Sprintf(as, name))
	}
	body := strings.TrimRight(strings.TrimSpace(text), "; \t\n")
	st.Text = "SELECT " + strings.Join(list, ", ") + " FROM (" + body + "\n) AS q(" + strings.Join(names, ", ") + ")"
	return st, nil
}

// readAs is how a column of a type is read.
func readAs(t bind.Type) (record.Type, string) {
	switch t {
	case bind.TypeBoolean:
		return record.Bool, "%s"
	case bind.TypeUBigInt:
		return record.Count, "%s"
	case bind.TypeTinyInt, bind.TypeSmallInt, bind.TypeInteger, bind.TypeBigInt, bind.TypeUTinyInt, bind.TypeUSmallInt, bind.TypeUInteger:
		return record.Int, "CAST(%s AS BIGINT)"
	case bind.TypeFloat, bind.TypeDouble, bind.TypeDecimal, bind.TypeHugeInt, bind.TypeUHugeInt:
		return record.Double, "CAST(%s AS DOUBLE)"
	case bind.TypeTimestamp, bind.TypeTimestampS, bind.TypeTimestampMS, bind.TypeTimestampNS, bind.TypeTimestampTZ, bind.TypeDate:
		return record.Time, "epoch_ns(%s)"
	}
	return record.String, "CAST(%s AS VARCHAR)"
}
