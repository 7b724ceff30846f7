package anon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// openDevice makes a device for IP packets (TUN), with an address, that of the
// other end, and an MTU. Each Read and Write is a packet.
func openDevice(ctx context.Context, name, addr, peer string, mtu int) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make device %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	for _, line := range []string{"addr add " + addr + " peer " + peer + " dev " + name, fmt.Sprintf("link set %s mtu %d up", name, mtu)} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			f.Close()
			return nil, fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return f, nil
}
