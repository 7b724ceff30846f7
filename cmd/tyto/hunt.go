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
	usage: "hunt [--db DIR] [--format " + strings.Join(hunt.Formats(), "|") + "] QUERY | NAME | list",
	short: "ask what analyze --db stored, in one line, or one of the questions that \"tyto hunt list\" names",
	run:   runHunt,
}

func runHunt(ctx context.Context, c *cli, args []string) error {
	fs := flag.NewFlagSet("hunt", flag.ContinueOnError)
	dir := fs.String("db", defaultDB, "")
	format := fs.String("format", hunt.Formats()[0], "")
	words, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	text := strings.Join(words, " ")
	if text == "" {
		return usageError{errors.New("which question? \"tyto hunt list\" has some")}
	}
	if text == "list" {
		return listHunts(c)
	}
	form, err := hunt.ParseFormat(*format)
	if err != nil {
		return usageError{err}
	}
	for _, h := range hunt.Hunts() {
		if h.Name == text {
			text = h.Query
		}
	}
	q, err := hunt.Parse(text)
	if err != nil {
		return queryError(text, err)
	}
	s, kinds, err := openStore(*dir, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	now, err := hunt.Now(ctx, s, kinds)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.stdout)
	w := hunt.NewWriter(out, form)
	if err := hunt.Run(ctx, s, kinds, q, now, w.Write); err != nil {
		return queryError(text, err)
	}
	return errors.Join(w.Close(), out.Flush())
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
