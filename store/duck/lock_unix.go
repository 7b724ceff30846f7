//go:build cgo && (linux || darwin)

package duck

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tyto/store"
)

// takeLock makes this process the one that writes, until the file is closed or
// the process dies.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w, which writes it; stop that one, or ask it", store.ErrBusy)
	}
	return f, nil
}
