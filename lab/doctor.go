package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
)

// Finding is one thing that the lab needs of the machine.
type Finding struct {
	What string
	Err  error  // nil if it is there
	Help string // how to get it
	Soft bool   // the lab works without it, less well
}

// Examine looks whether the machine can record. It starts a host and ends it.
func Examine() []Finding {
	root := Finding{What: "root", Help: "run it with sudo"}
	if os.Geteuid() != 0 {
		root.Err = fmt.Errorf("the user is %d", os.Geteuid())
		return []Finding{root}
	}
	tun := Finding{What: "/dev/net/tun", Help: "modprobe tun; in a container, pass the device (docker run --device /dev/net/tun)"}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if tun.Err = err; err == nil {
		f.Close()
	}
	host := Finding{What: "namespaces", Help: "a container needs all privileges (docker run --privileged)"}
	if tun.Err == nil {
		host.Err = tryHost()
	} else {
		host.Err = errors.New("not tried without /dev/net/tun")
	}
	fifo := Finding{What: "real-time threads", Soft: true, Help: "CAP_SYS_NICE; without it packets are late on a busy machine, and more runs are refused"}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this
		result <- realTime()
	}()
	fifo.Err = <-result
	return []Finding{root, tun, host, fifo}
}

// tryHost boots and ends a host.
func tryHost() error {
	s := &Scenario{Name: "doctor", Hosts: []string{"client"}, Variants: []Variant{{Name: "none"}}}
	r, _, congestion, err := draw(s, Config{Seed: 1})
	if err != nil {
		return err
	}
	base, err := makeBase()
	if err != nil {
		return err
	}
	defer base.remove()
	if r.home, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	defer r.home.Close()
	stop, err := r.boot(base.path, congestion)
	stop()
	return err
}

// Packages returns the Debian packages of all variants, sorted.
func Packages(scenarios []*Scenario) (names []string) {
	for _, s := range scenarios {
		for _, v := range s.Variants {
			for _, need := range v.Needs {
				names = append(names, Package(need))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
