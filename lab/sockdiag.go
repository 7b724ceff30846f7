package lab

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// diag asks the kernel for one socket (sock_diag(7)). That takes microseconds,
// where /proc/net/tcp is read through the tables of the whole machine.
type diag struct{ fd int }

// Sizes of inet_diag_req_v2, inet_diag_msg, and where the inode is in that.
const (
	diagRequest = 56
	diagAnswer  = 72
	diagInode   = 68
)

// openDiag must be called inside the host.
func openDiag() (*diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	wait := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &diag{fd}, nil
}

func (d *diag) close() { unix.Close(d.fd) }

// inode returns that of the IPv4 socket, "tcp" or "udp", that sends from local
// to remote. An error is also that there is none, or that the kernel cannot
// tell.
func (d *diag) inode(proto string, local, remote netip.AddrPort) (uint64, error) {
	m := make([]byte, unix.NLMSG_HDRLEN+diagRequest)
	ne, be := binary.NativeEndian, binary.BigEndian
	ne.PutUint32(m[0:], uint32(len(m)))
	ne.PutUint16(m[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(m[6:], unix.NLM_F_REQUEST)
	q := m[unix.NLMSG_HDRLEN:]
	q[0], q[1] = unix.AF_INET, unix.IPPROTO_TCP
	first, second := local, remote
	if proto == "udp" {
		// The kernel wants the sender of what the socket receives first.
		q[1], first, second = unix.IPPROTO_UDP, remote, local
	}
	ne.PutUint32(q[4:], 1<<32-1) // all states
	be.PutUint16(q[8:], first.Port())
	be.PutUint16(q[10:], second.Port())
	copy(q[12:], first.Addr().AsSlice())
	copy(q[28:], second.Addr().AsSlice())
	ne.PutUint64(q[48:], 1<<64-1) // no cookie
	if err := unix.Sendto(d.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	var answer [512]byte
	n, _, err := unix.Recvfrom(d.fd, answer[:], 0)
	if err != nil {
		return 0, err
	}
	if n < unix.NLMSG_HDRLEN+diagAnswer || ne.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return 0, errors.New("no such socket")
	}
	return uint64(ne.Uint32(answer[unix.NLMSG_HDRLEN+diagInode:])), nil
}
