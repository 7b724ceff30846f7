package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"tyto/internal/amount"
	"tyto/model"
)

var modelsCommand = command{
	name:  "models",
	usage: "models [FILE…]",
	short: "show the cards of the models in the program, or of files: data, command, figures, limits",
	run:   showModels,
}

func showModels(_ context.Context, c *cli, args []string) error {
	if len(args) == 0 {
		m, err := model.Shipped()
		if err != nil {
			return fmt.Errorf("the model in the program: %w", err)
		}
		return showCard(c, m, "in the program")
	}
	for _, path := range args {
		if strings.HasPrefix(path, "-") {
			return usageError{fmt.Errorf("no flag is called %s", path)}
		}
		m, err := readModel(path)
		if err != nil {
			return err
		}
		if err := showCard(c, m, path); err != nil {
			return err
		}
	}
	return nil
}

// readModel reads a model's file.
func readModel(path string) (*model.Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > model.MaxFile {
		return nil, fmt.Errorf("%s: %d bytes: a model has at most %d", path, info.Size(), model.MaxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := model.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func showCard(c *cli, m *model.Model, where string) error {
	k, s := &m.Card, &m.Shape
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s (%s): %s\n", k.Name, where, k.Purpose)
	line("network", "%s parameters; %d blocks of %d channels; hears %d messages around each", amount.Thousands(uint64(k.Params)), s.Blocks, s.Channels, 2*(1<<s.Blocks))
	line("tells", "%d states, %d labels, %d apps, control, layers, an embedding of %d", len(s.States), len(s.Labels), len(s.Apps), model.EmbeddingSize)
	line("made by", "%s", k.Command)
	line("of commit", "%s", k.Commit)
	for _, f := range k.Data {
		line(f.Name, "%s", f.Value)
	}
	line("calibration", "%s", k.Reserved)
	for _, f := range k.Figures {
		baseline := ""
		if f.Which != "" {
			baseline = fmt.Sprintf(" (%s %.3f)", f.Which, f.Baseline)
		}
		line("figure", "%-8s %-34s %.3f%s", f.Split, f.Name, f.Value, baseline)
	}
	for _, l := range k.Limits {
		line("limit", "%s", l)
	}
	if _, err := fmt.Fprint(c.stdout, b.String()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
