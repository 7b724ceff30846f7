package lab

import (
	"net/netip"
	"slices"
	"sync"
)

// routes says to which host packets to an address go. It may be used by several
// goroutines.
type routes struct {
	mu       sync.RWMutex
	hosts    map[netip.Addr]*Host
	networks []route
}

type route struct {
	prefix netip.Prefix
	host   *Host
}

func (r *routes) add(p netip.Prefix, h *Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.IsSingleIP() {
		r.networks = append(r.networks, route{p, h})
		return
	}
	if r.hosts == nil {
		r.hosts = make(map[netip.Addr]*Host)
	}
	r.hosts[p.Addr()] = h
}

// to returns the host of an address, nil if there is none. Among networks the
// one that was added last wins.
func (r *routes) to(a netip.Addr) *Host {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if h := r.hosts[a]; h != nil {
		return h
	}
	for _, n := range slices.Backward(r.networks) {
		if n.prefix.Contains(a) {
			return n.host
		}
	}
	return nil
}
