package c2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// errOutside is why nothing of this package runs elsewhere.
var errOutside = errors.New("this runs on hosts of the traffic lab only")

// inLab returns an error unless this process was started by the lab on one of
// its hosts: the first process of its PID namespace is this same program, its
// directory is the host's, and the only network beside lo is the host's TAP
// device, at whose other end is the lab.
func inLab() error {
	self, err1 := os.Stat("/proc/self/exe")
	first, err2 := os.Stat("/proc/1/exe")
	if err1 != nil || err2 != nil || os.Getpid() == 1 || !os.SameFile(self, first) {
		return errOutside
	}
	if dir, err := os.Getwd(); err != nil || !strings.HasPrefix(dir, "/run/tyto-lab/") {
		return errOutside
	}
	devices, err := net.Interfaces()
	if err != nil || len(devices) != 2 {
		return errOutside
	}
	for _, d := range devices {
		if _, err := os.Stat("/sys/class/net/" + d.Name + "/tun_flags"); err != nil && d.Flags&net.FlagLoopback == 0 {
			return errOutside
		}
	}
	return nil
}

// reserved are the networks that the lab's addresses are from: private (RFC
// 1918, 6598), for tests (RFC 2544, 5737), and the host itself.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8"),
}

// checkAddr returns an error unless the address is one that the lab may have.
func checkAddr(a netip.Addr) error {
	for _, p := range reserved {
		if p.Contains(a.Unmap()) {
			return nil
		}
	}
	return fmt.Errorf("%s is no address of the lab", a)
}

// checkName returns an error unless the name of a file is one in the host's own
// directory.
func checkName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%q is no file of the host's directory", name)
	}
	return nil
}
