// Emulated is the init of the machine that avx512.sh emulates: it runs the test
// program /kernel.test and hands what it prints to the kernel's log, which
// reaches the serial line without interrupts.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// groups are tests to run one after the other, what says most first.
var groups = []string{"TestSameBits", "TestFunctions|TestExpRange|TestReductions|TestColumns|TestRows", "TestGemm"}

func main() {
	if err := run(); err != nil {
		fmt.Println(err)
	}
	// The end of init stops the kernel, which is what avx512.sh waits for.
}

func run() error {
	if err := syscall.Mount("devtmpfs", "/dev", "devtmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	log, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, g := range groups {
		cmd := exec.Command("/kernel.test", "-test.v", "-test.cpu", "1", "-test.run", "^("+g+")$")
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		out = fmt.Appendf(out, "%s: error %v\n", g, err)
		for line := range bytes.Lines(out) {
			// One message a line; an error would have nowhere to go.
			_, _ = fmt.Fprintf(log, "<1>test: %s", line)
		}
	}
	return log.Close()
}
