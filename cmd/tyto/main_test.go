package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tyto/lab"
	scenarios "tyto/lab/scenario/all"
	"tyto/store"
	"tyto/store/duck"
)

func TestMain(m *testing.M) {
	lab.Main(scenarios.Scenarios()...)
	testscript.Main(m, map[string]func(){
		"tyto": func() {
			os.Exit(run(context.Background(), &cli{os.Stdin, os.Stdout, os.Stderr, os.Getenv}, os.Args[1:]))
		},
	})
}

// hasStore reports whether this build has DuckDB.
func hasStore() bool {
	_, err := duck.Open(os.TempDir()+"/tyto-no-such-store", new(store.Kinds), duck.Options{ReadOnly: true})
	return err == nil || !strings.Contains(err.Error(), "built without")
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
		Condition: func(name string) (bool, error) {
			if name == "cgo" {
				return hasStore(), nil
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", captures+"/../../sensor/testdata")
			e.Setenv("DEMO", captures+"/demo")
			return nil
		},
	})
}
