package lab

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tyto/lab/label"
)

// socket is a line of the kernel's list of sockets.
type socket struct {
	local, remote netip.AddrPort // a raw socket's port is the protocol, that of a ping socket the identifier
	state         int
	inode         uint64
}

// tcpListen is the state of a socket that listens.
const tcpListen = 10

// sockets lists the host's sockets of a protocol: "tcp", "udp", "icmp" or
// "raw".
func (h *Host) sockets(proto string) (all []socket) {
	for _, suffix := range []string{"", "6"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s%s", h.agent.Process.Pid, proto, suffix))
		if err == nil {
			all = append(all, parseSockets(data)...)
		}
	}
	return all
}

// parseSockets reads /proc/net/tcp and its like: after the number of the line
// follow both addresses and the state in hex; field 9 is the inode.
func parseSockets(data []byte) (all []socket) {
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 10 || f[0] == "sl" {
			continue
		}
		var s socket
		var ok1, ok2 bool
		s.local, ok1 = parseSocketAddr(f[1])
		s.remote, ok2 = parseSocketAddr(f[2])
		state, err1 := strconv.ParseUint(f[3], 16, 8)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if !ok1 || !ok2 || err1 != nil || err2 != nil {
			continue
		}
		s.state, s.inode = int(state), inode
		all = append(all, s)
	}
	return all
}

// parseSocketAddr reads an address in hex: 32-bit words as the machine stores
// them, then the port.
func parseSocketAddr(s string) (netip.AddrPort, bool) {
	a, p, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(a)
	port, err2 := strconv.ParseUint(p, 16, 16)
	if err != nil || err2 != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok
}

// owner is who had a flow's originating socket.
type owner struct {
	process label.Process
	line    []int  // the process and those it descends from
	mark    string // Process.mark of what started it
}

// lookup finds the owner of the socket that sends from src to dst. A socket
// that none of the host's processes has is this program's. It returns nil if
// there is no socket.
func (h *Host) lookup(proto string, src, dst netip.AddrPort) *owner {
	inode := h.findSocket(proto, src, dst)
	if inode == 0 {
		return nil
	}
	procs := fmt.Sprintf("/proc/%d/root/proc", h.agent.Process.Pid)
	entries, err := os.ReadDir(procs)
	if err != nil {
		return nil
	}
	want := fmt.Sprintf("socket:[%d]", inode)
	// The youngest first: a socket that was inherited is most often used by
	// the process that was started for it.
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != 1 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range slices.Backward(pids) {
		if hasFile(filepath.Join(procs, strconv.Itoa(pid), "fd"), want) {
			return h.describe(procs, pid)
		}
	}
	return &owner{process: label.Process{Host: h.name, PID: os.Getpid(), Name: "lab endpoint"}}
}

func (h *Host) findSocket(proto string, src, dst netip.AddrPort) uint64 {
	if proto == "tcp" || proto == "udp" {
		if inode, err := h.diag.inode(proto, src, dst); err == nil && inode != 0 {
			return inode
		}
	}
	var best uint64
	if proto == "icmp" {
		for _, s := range h.sockets("icmp") {
			if s.inode != 0 {
				best = s.inode
			}
		}
		if best == 0 {
			for _, s := range h.sockets("raw") {
				if s.local.Port() == 1 {
					best = s.inode
				}
			}
		}
		return best
	}
	for _, s := range h.sockets(proto) {
		if s.local.Port() != src.Port() || s.inode == 0 {
			continue
		}
		if s.local.Addr() == src.Addr() && s.remote == dst {
			return s.inode
		}
		open := s.remote.Addr().IsUnspecified() && (s.local.Addr() == src.Addr() || s.local.Addr().IsUnspecified())
		if open && (proto != "tcp" || s.state != tcpListen) {
			best = s.inode
		}
	}
	return best
}

func hasFile(dir, want string) bool {
	files, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, f := range files {
		if target, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && target == want {
			return true
		}
	}
	return false
}

// maxLine is how many ancestors of a process are looked at.
const maxLine = 32

func (h *Host) describe(procs string, pid int) *owner {
	o := &owner{process: label.Process{Host: h.name, PID: pid}}
	dir := filepath.Join(procs, strconv.Itoa(pid))
	if name, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil {
		o.process.Name = strings.TrimSpace(string(name))
	}
	if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil {
		o.process.Command = strings.TrimSpace(strings.ReplaceAll(string(line[:min(len(line), label.MaxText)]), "\x00", " "))
	}
	if env, err := os.ReadFile(filepath.Join(dir, "environ")); err == nil {
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if mark, ok := bytes.CutPrefix(v, []byte(markVar+"=")); ok {
				o.mark = string(mark)
			}
		}
	}
	for p := pid; p > 1 && len(o.line) < maxLine; p = parent(procs, p) {
		o.line = append(o.line, p)
	}
	return o
}

// parent returns a process's parent, 0 if that is not known.
func parent(procs string, pid int) int {
	stat, err := os.ReadFile(filepath.Join(procs, strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The second field is a name that may hold anything but ends the last ")".
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}
