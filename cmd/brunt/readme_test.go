package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/scenarios"
)

var fenced = regexp.MustCompile("(?ms)^```(\\w+)\\n(.*?)^```$")

func readme(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("README has no %s block", language)
	}
	return blocks
}

// Every scenario in the README is one that brunt takes.
func TestReadmeScenarios(t *testing.T) {
	for _, block := range readme(t, "yaml") {
		scenario, err := scenarios.Parse("README.md", []byte(block), kinds(), scenarios.Options{Dir: "."})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenario.Compile(nil, placeholderEnv(scenario)); err != nil {
			t.Fatal(err)
		}
	}
}

// Every command in the README exists, and takes the flags it is shown with.
func TestReadmeCommands(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range readme(t, "sh") {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			line, _, _ = strings.Cut(line, " > ")
			words := shellWords(line)
			switch words[0] {
			case "make":
				if !strings.Contains(string(makefile), "\n"+words[1]+":") {
					t.Errorf("Makefile has no target %s", words[1])
				}
			case "brunt":
				command, rest, err := rootCommand().Find(words[1:])
				if err != nil {
					t.Errorf("%s: %v", line, err)
					continue
				}
				if err := command.ParseFlags(rest); err != nil {
					t.Errorf("%s: %v", line, err)
				} else if err := command.ValidateArgs(command.Flags().Args()); err != nil {
					t.Errorf("%s: %v", line, err)
				}
				n++
			default:
				t.Errorf("%s: not a command of this repository", line)
			}
		}
	}
	if n < 10 {
		t.Errorf("found %d commands of brunt only", n)
	}
}

// shellWords splits a line as a shell does, for words in single quotes.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// The Makefile is short enough to be read.
func TestMakefileIsShort(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 60 {
		t.Errorf("Makefile has %d lines, at most 60", lines)
	}
	if out, err := exec.Command("make", "-n", "-C", "../..", "run").CombinedOutput(); err != nil || !strings.Contains(string(out), "examples/hello.yaml") {
		t.Errorf("make -n run: %v\n%s", err, out)
	}
}
