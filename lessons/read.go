package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"

	"github.com/charmbracelet/glamour"
	"github.com/charmbracelet/glamour/ansi"
	"github.com/charmbracelet/glamour/styles"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"containerkit/lessons/author/book"
	"containerkit/lessons/kit/course"
)

func readCommand() *cobra.Command {
	var number int
	c := &cobra.Command{
		Use: "read [CHAPTER]", Short: "read the book and the lessons in the terminal", Args: cobra.MaximumNArgs(1),
		Long: "Without a chapter, lists all of them, in order. With one, shows it: on a terminal\n" +
			"through $PAGER (or less), else as plain text. A stage is a chapter, and so is the\n" +
			"lesson of a step: 02-namespaces/pid. The end of a chapter lists its commands with\n" +
			"their numbers. -run runs one of them in the course's directory.",
		Example: "  go run ./lessons read                     the contents\n" +
			"  go run ./lessons read 02-namespaces/pid   a lesson\n" +
			"  go run ./lessons read pid -run 1          the first command in it",
		RunE: func(c *cobra.Command, args []string) error {
			root, err := kit()
			if err != nil {
				return failure{err}
			}
			asked := c.Flags().Changed("run")
			if len(args) == 0 {
				if asked {
					return errors.New("-run needs the chapter: read 02-namespaces/pid -run 1")
				}
				return contents(c.OutOrStdout(), root)
			}
			chapter, err := book.Find(root, args[0])
			if err != nil {
				return err
			}
			if asked {
				return runMentioned(c, root, chapter, number)
			}
			if err := showChapter(c, root, chapter); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	c.Flags().IntVar(&number, "run", 0, "run the chapter's command with this number")
	return c
}

// contents lists the chapters, in order.
func contents(w io.Writer, root string) error {
	chapters, err := book.Contents(root)
	if err != nil {
		return failure{err}
	}
	width := 0
	for _, c := range chapters {
		width = max(width, len(c.Name))
	}
	fmt.Fprintln(w, "To read: go run ./lessons read CHAPTER")
	fmt.Fprintln(w)
	for _, c := range chapters {
		fill(w, fmt.Sprintf("  %-*s  ", width, c.Name), c.Title)
		for _, s := range course.Stages {
			if s.Dir+"/README.md" != c.File {
				continue
			}
			var steps []string
			for _, step := range s.Steps {
				steps = append(steps, step.Name)
			}
			fill(w, strings.Repeat(" ", width+4), strings.Join(steps, " "))
		}
	}
	fmt.Fprintln(w, "\nThe lesson of one step: go run ./lessons read 02-namespaces/pid")
	return nil
}

// widest is the largest width of a line: wider lines are hard to read.
const widest = 100

// showChapter renders a chapter: on a terminal in color and through the pager, else as plain text.
func showChapter(c *cobra.Command, root string, chapter book.Chapter) error {
	text, err := chapter.Plain(root)
	if err != nil {
		return err
	}
	commands, err := chapter.Commands(root)
	if err != nil {
		return err
	}
	text += mentioned(chapter, commands)
	width, style, color := 80, plain(), false
	terminal := c.OutOrStdout() == os.Stdout && term.IsTerminal(1)
	if terminal {
		if columns, _, err := term.GetSize(1); err == nil && columns > 0 {
			width = min(columns, widest)
		}
		color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if color && termenv.HasDarkBackground() {
		style = styles.DarkStyleConfig
	} else if color {
		style = styles.LightStyleConfig
	}
	rendered, err := render(text, style, width, color)
	if err != nil {
		return err
	}
	if !terminal {
		_, err := io.WriteString(c.OutOrStdout(), rendered)
		return err
	}
	return page(c, rendered)
}

// plain returns the style without color. Emphasis keeps its stars. Bold, which here only marks
// labels, loses them.
func plain() ansi.StyleConfig {
	s := styles.NoTTYStyleConfig
	s.Strong.BlockPrefix, s.Strong.BlockSuffix = "", ""
	return s
}

// render renders Markdown in lines of at most width columns, except for code: a broken command
// could not be copied.
func render(text string, style ansi.StyleConfig, width int, color bool) (string, error) {
	none := uint(0)
	style.Document.Margin = &none
	var b strings.Builder
	for _, block := range book.Blocks(text) {
		options := []glamour.TermRendererOption{glamour.WithStyles(style), glamour.WithWordWrap(width - 2)} // it does not count the number of an item
		if color {
			options = append(options, glamour.WithColorProfile(termenv.ColorProfile()))
		}
		if block.Code {
			options = append(options, glamour.WithWordWrap(0))
		}
		r, err := glamour.NewTermRenderer(options...)
		if err != nil {
			return "", err
		}
		rendered, err := r.Render(block.Text)
		if err != nil {
			return "", err
		}
		if rendered = strings.Trim(rendered, "\n"); rendered == "" {
			continue
		}
		for line := range strings.Lines(rendered + "\n\n") {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// mentioned returns the list of commands at the end of a chapter.
func mentioned(chapter book.Chapter, commands []string) string {
	if len(commands) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n\n## The commands in it\n\nTo run one: `go run ./lessons read %s -run N`\n\n```\n", chapter.Name)
	for i, command := range commands {
		fmt.Fprintf(&b, "%2d  %s\n", i+1, command)
	}
	return b.String() + "```\n"
}

// page shows a text through $PAGER, or less. less leaves colors alone, and exits at once if the
// text fits the screen, unless $LESS says otherwise.
func page(c *cobra.Command, text string) error {
	pager := os.Getenv("PAGER")
	if pager == "" {
		pager = "less"
		if _, err := exec.LookPath(pager); err != nil {
			pager = "more"
		}
	}
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/c"
	}
	cmd := exec.Command(shell, flag, pager)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv("LESS") == "" {
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	// Ctrl-C is for the pager. A reader may quit it in the middle: writing to it then fails.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	err := cmd.Run()
	if status, ok := errors.AsType[*exec.ExitError](err); ok && status.ExitCode() == 127 {
		_, err := io.WriteString(c.OutOrStdout(), text) // the pager does not exist
		return err
	}
	return nil
}

// runMentioned runs a command of a chapter as if you had typed it in the course's directory.
func runMentioned(c *cobra.Command, root string, chapter book.Chapter, number int) error {
	commands, err := chapter.Commands(root)
	if err != nil {
		return failure{err}
	}
	switch n := len(commands); {
	case n == 0:
		return fmt.Errorf("%s mentions no command of the course", chapter.Name)
	case number < 1 || number > n:
		return fmt.Errorf("%s mentions %d commands: -run 1 to -run %d", chapter.Name, n, n)
	}
	fmt.Fprintf(c.ErrOrStderr(), "$ %s\n", commands[number-1])
	cmd := exec.Command("sh", "-c", commands[number-1])
	cmd.Dir = root
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, c.OutOrStdout(), c.ErrOrStderr()
	err = cmd.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return statusError(max(ended.ExitCode(), 1))
	}
	if err != nil {
		return failure{err}
	}
	return nil
}
