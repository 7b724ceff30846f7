package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"tyto/hunt"
	"tyto/sensor"
	"tyto/store"
	"tyto/store/duck"
)

// defaultDB is where hunt looks if it is not told.
const defaultDB = "tyto.db"

var huntCommand = command{
	name:  "hunt",
	usage: "hunt [--db DIR] [--format " + strings.Join(hunt.Formats(), "|") + "] QUERY | NAME | --sql SELECT | list | completion " + strings.Join(hunt.Shells(), "|"),
	short: "ask what analyze --db stored, in one line, or one of the questions that \"tyto hunt list\" names",
	run:   runHunt,
}

func runHunt(ctx context.Context, c *cli, args []string) error {
	fs := flag.NewFlagSet("hunt", flag.ContinueOnError)
	dir := fs.String("db", defaultDB, "")
	format := fs.String("format", hunt.Formats()[0], "")
	fs.StringVar(format, "graph", hunt.Formats()[0], "") // dot or svg
	list := fs.Bool("list", false, "")
	sql := fs.Bool("sql", false, "")
	words, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	text := strings.Join(words, " ")
	switch {
	case text == "list" || *list:
		return listHunts(c)
	case text == "":
		return usageError{errors.New("which question? \"tyto hunt list\" has some")}
	case words[0] == "completion" && len(words) == 2:
		return completion(c, words[1])
	}
	form, err := hunt.ParseFormat(*format)
	if err != nil {
		return usageError{err}
	}
	out := bufio.NewWriter(c.stdout)
	w := hunt.NewWriter(out, form)
	if *sql {
		err = selectSQL(ctx, *dir, text, w)
	} else {
		err = ask(ctx, *dir, text, w.Write)
	}
	if err != nil {
		return err
	}
	return errors.Join(w.Close(), out.Flush())
}

// ask answers a query, or the hunt of that name, from the store in a directory.
func ask(ctx context.Context, dir, text string, yield func(*store.Batch) error) error {
	for _, h := range hunt.Hunts() {
		if h.Name == text {
			text = h.Query
		}
	}
	q, err := hunt.Parse(text)
	if err != nil {
		return queryError(text, err)
	}
	s, kinds, err := openStore(dir, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	now, err := hunt.Now(ctx, s, kinds)
	if err != nil {
		return err
	}
	return queryError(text, hunt.Run(ctx, s, kinds, q, now, yield))
}

// selectSQL answers a SELECT in the database's own SQL.
func selectSQL(ctx context.Context, dir, text string, w *hunt.Writer) error {
	s, _, err := openStore(dir, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.SQL(ctx, text, w.Write)
}

// completion writes the script that completes hunts in a shell.
func completion(c *cli, shell string) error {
	kinds, err := store.NewKinds(sensor.Schemas(everyProtocol())...)
	if err != nil {
		return err
	}
	text, err := hunt.Completion(shell, kinds)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprint(c.stdout, text)
	return err
}

// queryError shows where in a query something is wrong.
func queryError(text string, err error) error {
	var at *hunt.Error
	if errors.As(err, &at) {
		return usageError{fmt.Errorf("%w\n%s", err, at.Point(text))}
	}
	return err
}

func listHunts(c *cli) error {
	for _, h := range hunt.Hunts() {
		if _, err := fmt.Fprintf(c.stdout, "%s: %s\n%s    %s\n", h.Name, h.Title, wrap(h.Doc, "    ", 100), h.Query); err != nil {
			return err
		}
	}
	return nil
}

// openStore opens the store in a directory, with tables for all records.
func openStore(dir string, o duck.Options) (*duck.Store, *store.Kinds, error) {
	kinds, err := store.NewKinds(sensor.Schemas(everyProtocol())...)
	if err != nil {
		return nil, nil, err
	}
	s, err := duck.Open(dir, kinds, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	return s, kinds, nil
}
