package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tyto/lab"
	scenarios "tyto/lab/scenario/all"
)

func TestMain(m *testing.M) {
	lab.Main(scenarios.Scenarios()...)
	testscript.Main(m, map[string]func(){
		"tyto": func() {
			os.Exit(run(context.Background(), &cli{os.Stdin, os.Stdout, os.Stderr, os.Getenv}, os.Args[1:]))
		},
	})
}

// TestScript runs the program as testdata/script/*.txt say.
func TestScript(t *testing.T) {
	captures, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", captures+"/../../sensor/testdata")
			e.Setenv("DEMO", captures+"/demo")
			return nil
		},
	})
}
