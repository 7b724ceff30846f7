package webapp

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Raw puts the terminal of a program into raw mode, and returns how to end that
// and its size. It is for programs that a Terminal of the lab shows.
func Raw() (restore func(), columns, rows int, err error) {
	fd := int(os.Stdin.Fd())
	if columns, rows, err = term.GetSize(fd); err != nil {
		return nil, 0, 0, err
	}
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, 0, 0, err
	}
	return func() { term.Restore(fd, before) }, columns, rows, nil
}

// OnTerminal starts a program on a new pseudo-terminal and returns its master.
// It is for servers that hand out terminals.
func OnTerminal(c *exec.Cmd, columns, rows int) (*os.File, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	}
	var slave *os.File
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, err
	}
	defer slave.Close()
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		master.Close()
		return nil, err
	}
	return master, nil
}
