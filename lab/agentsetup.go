package lab

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// setUp makes the host out of the namespaces that the agent was started in,
// and hands the TAP device to the lab.
func (a *agent) setUp(c *agentConfig) error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"keep mounts to itself", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount /proc", func() error { return mountProc() }},
		{"make file systems of its own", func() error { return mountAll(c) }},
		{"name the host", func() error { return nameHost(c) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("host %s: %s: %w", c.Name, step.what, err)
		}
	}
	tap, err := setUpNetwork(c)
	if err != nil {
		return fmt.Errorf("host %s: network: %w", c.Name, err)
	}
	defer unix.Close(tap)
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("host %s: drop capabilities: %w", c.Name, err)
	}
	return a.send(agentReply{}, tap)
}

// writableKernelFiles are what a process with root's rights could change for
// the whole machine.
var writableKernelFiles = []string{"/proc/sys/vm", "/proc/sys/fs", "/proc/sys/dev", "/proc/sys/kernel", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"}

func mountProc() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, p := range writableKernelFiles {
		if _, err := os.Stat(p); err != nil {
			continue
		}
		if err := unix.Mount(p, p, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Mount("", p, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return err
		}
	}
	return nil
}

// overlaid are the directories in which the host may write without the machine
// seeing it.
var overlaid = []string{"etc", "var", "home", "root", "opt", "srv"}

// accountFiles say that accounts are those of the host's files, whatever else
// packages of the machine (winbind, Kerberos) would ask.
var accountFiles = map[string]string{
	"/etc/pam.d/common-auth":                   "auth required pam_unix.so nullok\n",
	"/etc/pam.d/common-account":                "account required pam_unix.so\n",
	"/etc/pam.d/common-password":               "password required pam_unix.so yescrypt\n",
	"/etc/pam.d/common-session":                "session required pam_unix.so\n",
	"/etc/pam.d/common-session-noninteractive": "session required pam_unix.so\n",
	"/etc/nsswitch.conf":                       "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
}

func mountAll(c *agentConfig) error {
	// What is written goes to a tmpfs that the host's /tmp covers afterwards.
	if err := tmpfs("/tmp", "755"); err != nil {
		return err
	}
	if err := mountDevices("/tmp/dev"); err != nil {
		return err
	}
	for _, d := range overlaid {
		if info, err := os.Stat("/" + d); err != nil || !info.IsDir() {
			continue
		}
		upper, work := "/tmp/"+d+".up", "/tmp/"+d+".work"
		if err := os.Mkdir(upper, 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(work, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("overlay", "/"+d, "overlay", 0, "lowerdir=/"+d+",upperdir="+upper+",workdir="+work); err != nil {
			return fmt.Errorf("overlay /%s: %w", d, err)
		}
	}
	for name, data := range accountFiles {
		if _, err := os.Stat(filepath.Dir(name)); err != nil {
			continue
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			return err
		}
	}
	if err := tmpfs("/run", "755"); err != nil {
		return err
	}
	for _, d := range []string{"/run/sshd", "/run/lock", c.Dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := tmpfs("/var/tmp", "1777"); err != nil {
		return err
	}
	if err := tmpfs("/tmp", "1777"); err != nil {
		return err
	}
	// It shows the network devices of its namespace.
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("sysfs: %w", err)
	}
	unix.Umask(0o022)
	return os.Chdir(c.Dir)
}

func tmpfs(dir, mode string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode="+mode); err != nil {
		return fmt.Errorf("tmpfs %s: %w", dir, err)
	}
	return nil
}

// mountDevices makes a /dev with the harmless devices only.
func mountDevices(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	for _, d := range []string{"pts", "shm", "net", "mqueue"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse", "ppp"} {
		if _, err := os.Stat("/dev/" + name); err != nil {
			continue
		}
		node := filepath.Join(dir, name)
		if err := os.WriteFile(node, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, node, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	links := map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", filepath.Join(dir, "pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"); err != nil {
		return fmt.Errorf("devpts: %w", err)
	}
	if err := tmpfs(filepath.Join(dir, "shm"), "1777"); err != nil {
		return err
	}
	return unix.Mount(dir, "/dev", "", unix.MS_MOVE, "")
}

func nameHost(c *agentConfig) error {
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return err
	}
	files := map[string]string{
		"/etc/hostname":    c.Name + "\n",
		"/etc/hosts":       "127.0.0.1 localhost\n" + c.Addr.String() + " " + c.Name + "\n",
		"/etc/resolv.conf": "",
	}
	for name, text := range files {
		os.Remove(name) // it may be a link to elsewhere
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tapName is the host's only network device beside lo.
const tapName = "eth0"

func setUpNetwork(c *agentConfig) (tap int, err error) {
	settings := map[string]string{
		"net/ipv6/conf/all/disable_ipv6":     "1",
		"net/ipv6/conf/default/disable_ipv6": "1",
		"net/ipv4/tcp_no_metrics_save":       "1", // what one connection learned must not change the next
		"net/ipv4/ping_group_range":          "0 2147483647",
	}
	const control = "net/ipv4/tcp_congestion_control"
	if inherited, _ := os.ReadFile("/proc/sys/" + control); c.Congestion != "" && strings.TrimSpace(string(inherited)) != c.Congestion {
		settings[control] = c.Congestion
	}
	for name, value := range settings {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil && !strings.Contains(name, "ipv6") {
			return -1, err
		}
	}
	tap, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(tapName)
	if err == nil {
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(tap, unix.TUNSETIFF, ifr)
	}
	if err == nil {
		err = configureLinks(c)
	}
	if err != nil {
		unix.Close(tap)
		return -1, err
	}
	return tap, nil
}

// configureLinks brings the devices up: one address, an on-link default route
// by the gateway, whose hardware address needs no ARP.
func configureLinks(c *agentConfig) error {
	nl, err := openNetlink()
	if err != nil {
		return err
	}
	defer nl.close()
	lo, err := linkIndex("lo")
	if err != nil {
		return err
	}
	eth, err := linkIndex(tapName)
	if err != nil {
		return err
	}
	link := func(index, mtu int, mac []byte) []byte {
		m := make([]byte, unix.SizeofIfInfomsg)
		binary.NativeEndian.PutUint32(m[4:], uint32(index))
		binary.NativeEndian.PutUint32(m[8:], unix.IFF_UP)
		binary.NativeEndian.PutUint32(m[12:], unix.IFF_UP)
		if mtu > 0 {
			m = attribute(m, unix.IFLA_MTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
			m = attribute(m, unix.IFLA_TXQLEN, binary.NativeEndian.AppendUint32(nil, 4000))
			m = attribute(m, unix.IFLA_ADDRESS, mac)
		}
		return m
	}
	index := binary.NativeEndian.AppendUint32(nil, uint32(eth))
	addr, gateway := c.Addr.AsSlice(), c.Gateway.AsSlice()

	address := []byte{unix.AF_INET, 32, 0, unix.RT_SCOPE_UNIVERSE, 0, 0, 0, 0}
	binary.NativeEndian.PutUint32(address[4:], uint32(eth))
	address = attribute(attribute(address, unix.IFA_LOCAL, addr), unix.IFA_ADDRESS, addr)

	neighbour := make([]byte, unix.SizeofNdMsg)
	neighbour[0] = unix.AF_INET
	copy(neighbour[4:], index)
	binary.NativeEndian.PutUint16(neighbour[8:], unix.NUD_PERMANENT)
	neighbour = attribute(attribute(neighbour, unix.NDA_DST, gateway), unix.NDA_LLADDR, c.GatewayMAC)

	route := make([]byte, unix.SizeofRtMsg)
	route[0], route[4], route[5], route[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RTN_UNICAST
	binary.NativeEndian.PutUint32(route[8:], unix.RTNH_F_ONLINK)
	route = attribute(attribute(attribute(route, unix.RTA_GATEWAY, gateway), unix.RTA_OIF, index), unix.RTA_PREFSRC, addr)

	for _, m := range []struct {
		what string
		kind uint16
		data []byte
	}{
		{"lo up", unix.RTM_NEWLINK, link(lo, 0, nil)},
		{"device up", unix.RTM_NEWLINK, link(eth, c.MTU, c.MAC)},
		{"address", unix.RTM_NEWADDR, address},
		{"neighbour", unix.RTM_NEWNEIGH, neighbour},
		{"route", unix.RTM_NEWROUTE, route},
	} {
		if err := nl.request(m.kind, m.data); err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
	}
	return nil
}

// droppedCapabilities change the machine, not only the host.
var droppedCapabilities = []uintptr{
	unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_MKNOD,
	unix.CAP_SYSLOG, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_WAKE_ALARM, unix.CAP_AUDIT_CONTROL,
}

// dropCapabilities takes them from the thread, and so from all programs that
// are started on it.
func dropCapabilities() error {
	for _, c := range droppedCapabilities {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return err
		}
	}
	return nil
}
