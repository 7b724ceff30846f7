// Command tyto tells what happens in network traffic, whether or not it can be
// decrypted. "tyto help" lists the subcommands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"tyto/lab"
	scenarios "tyto/lab/scenario/all"
)

// command is a subcommand.
type command struct {
	name, usage, short string
	run                func(ctx context.Context, c *cli, args []string) error
}

// cli is the program's surroundings, so that tests can replace them.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

func commands() []command {
	return []command{analyzeCommand, demoCommand, huntCommand, explainCommand, carveCommand, labCommand, trainCommand, evalCommand, modelsCommand, protocolsCommand, versionCommand}
}

// usageError is a mistake in the command line: exit status 2.
type usageError struct{ error }

func main() {
	lab.Main(scenarios.Scenarios()...) // it does not return where this program is a host of the lab
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends at once
	}()
	os.Exit(run(ctx, &cli{os.Stdin, os.Stdout, os.Stderr, os.Getenv}, os.Args[1:]))
}

// run runs the program and returns its exit status: 0 for success whether or
// not anything was found, 1 when something failed, 2 for a wrong command line.
func run(ctx context.Context, c *cli, args []string) int {
	if len(args) == 0 {
		help(c.stderr)
		return 2
	}
	switch args[0] {
	case "help", "-h", "--help":
		help(c.stdout)
		return 0
	case "-V", "--version":
		args[0] = "version"
	}
	for _, cmd := range commands() {
		if cmd.name != args[0] {
			continue
		}
		err := cmd.run(ctx, c, args[1:])
		var usage usageError
		switch {
		case err == nil:
			return 0
		case errors.As(err, &usage):
			fmt.Fprintf(c.stderr, "tyto %s: %v\nusage: tyto %s\n", cmd.name, err, cmd.usage)
			return 2
		case errors.Is(err, errReported):
		default:
			fmt.Fprintf(c.stderr, "tyto %s: %v\n", cmd.name, err)
		}
		return 1
	}
	fmt.Fprintf(c.stderr, "tyto: there is no subcommand %q; \"tyto help\" lists them\n", args[0])
	return 2
}

// errReported is returned by subcommands that told what failed themselves.
var errReported = errors.New("already told")

func help(w io.Writer) {
	fmt.Fprint(w, "tyto tells what happens in network traffic, whether or not it can be decrypted.\n\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  tyto %s\n      %s\n", cmd.usage, cmd.short)
	}
	fmt.Fprint(w, "\nFILE is a capture (pcap, pcapng; gzip or zstd), or - for standard input.\nExit status: 0 success, 1 something failed, 2 wrong command line.\n")
}
