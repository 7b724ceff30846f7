package typist

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets more tests run at a time than there are processors: most of
// them wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// directory makes a directory with the files of the roles.
func directory(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range Developer.Files() {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWords checks what can be checked without a shell.
func TestWords(t *testing.T) {
	for _, role := range Roles() {
		for seed := range uint64(40) {
			check := role.Commands(30, seeded(seed))
			if len(check) < 30 {
				t.Errorf("%s: %d commands", role, len(check))
			}
			for _, c := range check {
				if c.Want != "" && strings.Contains(c.Text, c.Want) {
					t.Errorf("%s: %q has what its output must have: %q", role, c.Text, c.Want)
				}
				if strings.TrimSpace(c.Text) != c.Text || strings.ContainsAny(c.Text, "\n\t") {
					t.Errorf("%s: %q is not one clean line", role, c.Text)
				}
				if (c.Technique != "") != (role == Intruder) {
					t.Errorf("%s: %q is technique %q", role, c.Text, c.Technique)
				}
			}
		}
	}
	if len(Developer.Files()) < 10 {
		t.Error("few files")
	}
}

// TestShell runs sessions of every role in a real shell, one command after the
// other, and wants each to print what it must, to leave the directory as it was
// found, and Tab to complete what it is said to.
func TestShell(t *testing.T) {
	for _, program := range []string{"bash", "ps", "ss", "ip", "vmstat", "top"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s: apt-get install procps iproute2", program)
		}
	}
	for _, role := range Roles() {
		t.Run(role.String(), func(t *testing.T) {
			t.Parallel()
			rng := seeded(uint64(role))
			var all []Command
			tasks := role.tasks()
			rng.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
			for _, task := range tasks {
				all = append(all, task(rng)...)
			}
			runAll(t, append(all, role.Commands(25, rng)...))
		})
	}
}

// mark ends the output of a command in the test's shell.
const mark = "=== end of output, status "

func runAll(t *testing.T, all []Command) {
	dir := directory(t)
	var script strings.Builder
	for _, c := range all {
		for _, tab := range c.Tabs {
			word := c.Text[:tab.At]
			word = word[strings.LastIndexByte(word, ' ')+1:]
			script.WriteString("compgen -f -- '" + word + "' >&2\n")
		}
		script.WriteString(c.Text + "\necho '" + mark + "'$?\n")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "--norc", "--noprofile")
	shell.Dir = dir
	shell.Env = []string{"PATH=" + impatient(t) + ":" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C"}
	shell.Stdin = strings.NewReader(script.String())
	var stdout, stderr bytes.Buffer
	shell.Stdout, shell.Stderr = &stdout, &stderr
	if err := shell.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if n := strings.Count(stderr.String(), "\n"); n > 0 {
		checkTabs(t, all, strings.Split(strings.TrimSpace(stderr.String()), "\n"))
	}
	outputs := strings.SplitAfter(stdout.String(), mark)
	if len(outputs) != len(all)+1 {
		t.Fatalf("%d commands gave %d outputs; %s", len(all), len(outputs)-1, stderr.String())
	}
	for i, c := range all {
		out := strings.TrimSuffix(outputs[i], mark)
		if i > 0 {
			_, out, _ = strings.Cut(out, "\n") // the status of the one before
		}
		status, _, _ := strings.Cut(outputs[i+1], "\n")
		if !strings.Contains(out, c.Want) {
			t.Errorf("%q prints %.400q, want %q", c.Text, out, c.Want)
		}
		if word, _, _ := strings.Cut(c.Text, " "); status != "0" && word != "diff" {
			t.Errorf("%q ends with status %s", c.Text, status)
		}
	}
	var left []string
	files := Developer.Files()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, name); err == nil && !d.IsDir() && files[filepath.ToSlash(rel)] == "" && rel != "todo.txt" {
			left = append(left, rel)
		}
		return err
	})
	if err != nil || len(left) > 0 {
		t.Errorf("%v; left behind: %q", err, left)
	}
}

// impatient makes a directory with a sleep that does not.
func impatient(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkTabs wants one candidate for each Tab, the one that it completes.
func checkTabs(t *testing.T, all []Command, candidates []string) {
	t.Helper()
	i := 0
	for _, c := range all {
		for _, tab := range c.Tabs {
			word := c.Text[:tab.At+tab.Adds]
			word = strings.TrimRight(word, " ")
			word = strings.TrimRight(word[strings.LastIndexByte(word, ' ')+1:], "/")
			if i >= len(candidates) || candidates[i] != word {
				t.Fatalf("%q: Tab completes to %q, want %q alone", c.Text, candidates[min(i, len(candidates)-1):], word)
			}
			i++
		}
	}
	if i != len(candidates) {
		t.Errorf("the shell complains or has more candidates: %q", candidates[i:])
	}
}

func TestProse(t *testing.T) {
	rng := seeded(1)
	seen := make(map[string]bool)
	for n := 1; n < 60; n++ {
		s := Prose(n, rng)
		if len(strings.Fields(s)) < n || !strings.HasSuffix(s, ".") || strings.ContainsAny(s, "'\"\\`$\n%") {
			t.Errorf("%d words: %q", n, s)
		}
		seen[s] = true
	}
	if len(seen) < 55 {
		t.Errorf("%d different texts of 59", len(seen))
	}
}

func TestUnknownRole(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a role that does not exist has commands")
		}
	}()
	Role(0).Commands(1, rand.New(rand.NewPCG(1, 1)))
}

func TestScreenScripts(t *testing.T) {
	for seed := range uint64(50) {
		for _, s := range Screens(seeded(seed)) {
			if s.Needs == "" || s.Start.Want == "" || s.Check.Want == "" || len(s.Steps) < 3 {
				t.Errorf("%s: something is missing", s.Name)
			}
			for _, c := range []Command{s.Start, s.Check} {
				if strings.Contains(c.Text, c.Want) {
					t.Errorf("%s: %q has what its output must have", s.Name, c.Text)
				}
			}
			for _, step := range s.Steps {
				typist := Number(int(seed) % Count)
				keys := typist.Step(step, seeded(seed))
				if step.Type != "" && Text(keys) != step.Type {
					t.Errorf("%s: %q is typed as %q", s.Name, step.Type, Text(keys))
				}
				if (step.Type == "") == (step.Keys == nil) || slices.Contains(step.Keys, "") {
					t.Errorf("%s: step %+v", s.Name, step)
				}
			}
		}
	}
}
