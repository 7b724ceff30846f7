package main

import (
	"errors"
	"flag"

	"tyto/corpus"
)

// labCorpus tells what a directory of shards holds.
func labCorpus(c *cli, args []string) error {
	fs := flag.NewFlagSet("corpus", flag.ContinueOnError)
	audit := fs.Bool("audit", false, "")
	others, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	if len(others) != 1 {
		return usageError{errors.New("the corpus in which directory?")}
	}
	var runs []*corpus.Run
	for r, err := range corpus.Runs(others[0]) {
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return errors.New("there are no shards in " + others[0] + "; \"tyto lab record --sequences\" makes them")
	}
	if *audit {
		return corpus.WriteAudit(c.stdout, corpus.Audit(runs))
	}
	return corpus.Count(runs).WriteTables(c.stdout)
}
