package anon

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/inner"
)

// TorRelays are the hosts of a private Tor network: each is a directory
// authority, a guard and an exit.
var TorRelays = []string{"relay1", "relay2", "relay3"}

// TorNeeds are the programs of a variant with Tor, and its own.
func TorNeeds(own ...string) []string {
	return inner.Needs(append(own, "tor", "tor-gencert@tor", "nc")...)
}

// Tor is a private Tor network. Its documents have the form of the public
// one's, and are made every minute instead of every hour.
type Tor struct {
	r     *lab.Run
	ports map[string]int // where the relays take connections, by host
	known string         // lines of torrc that name the authorities
}

const torDirPort = 7000

// torCommon is for all members of the network.
const torCommon = `TestingTorNetwork 1
DataDirectory %[1]s/tor
Log notice stdout
AssumeReachable 1
`

// torRelay is for relays and bridges.
const torRelay = `Nickname %[2]s
Address %[3]s
ORPort %[4]s
SocksPort 0
ExitPolicyRejectPrivate 0
ExitPolicyRejectLocalInterfaces 0
ContactInfo admin@example.org
`

// torAuthority is for relays that are authorities. They agree for the first time
// soon after they have told each other of themselves.
const torAuthority = `AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
DirPort 7000
ExitRelay 1
ExitPolicy accept *:*
TestingV3AuthInitialVotingInterval 30
TestingV3AuthInitialVoteDelay 3
TestingV3AuthInitialDistDelay 3
TestingV3AuthVotingStartOffset %d
V3AuthVotingInterval 60
V3AuthVoteDelay 5
V3AuthDistDelay 5
TestingDirAuthVoteGuard *
TestingDirAuthVoteExit *
TestingMinExitFlagThreshold 0
`

// StartTor starts the relays, each on a port of ports, and waits until they
// know each other.
func StartTor(ctx context.Context, r *lab.Run, ports []int) (*Tor, error) {
	t := &Tor{r: r, ports: make(map[string]int)}
	lines, relays := make([]string, len(TorRelays)), make([]*lab.Process, len(TorRelays))
	var prepare []func(context.Context) error
	for i, name := range TorRelays {
		h := r.Host(name)
		t.ports[name] = ports[r.Rand().IntN(len(ports))]
		prepare = append(prepare, func(ctx context.Context) (err error) {
			lines[i], err = t.authority(ctx, h)
			return err
		})
	}
	if err := lab.Together(ctx, prepare...); err != nil {
		return nil, err
	}
	t.known = strings.Join(lines, "")
	// They vote six seconds before the time that this makes the next.
	offset := (time.Now().Unix() + 26) % 30
	for i, name := range TorRelays {
		h := r.Host(name)
		conf, err := h.Read("torrc")
		if err != nil {
			return nil, err
		}
		if err := h.Write("torrc", string(conf)+fmt.Sprintf(torAuthority, offset)+t.known, 0o644); err != nil {
			return nil, err
		}
		if relays[i], err = h.Start(ctx, lab.Command{Args: []string{"tor", "-f", "torrc"}}); err != nil {
			return nil, err
		}
	}
	return t, t.agree(ctx, relays)
}

var torIdentity = regexp.MustCompile(`(?m)^fingerprint ([0-9A-F]{40})$`)

// authority makes the keys of an authority, writes its torrc, and returns the
// line by which others know it.
func (t *Tor) authority(ctx context.Context, h *lab.Host) (string, error) {
	t.r.Installed(h, "tor")
	conf := fmt.Sprintf(torCommon+torRelay, h.Dir(), h.Name(), h.Addr(), fmt.Sprint(t.ports[h.Name()]))
	if err := h.Write("torrc", conf, 0o644); err != nil {
		return "", err
	}
	const gencert = `mkdir -p -m 700 tor tor/keys && tor-gencert --create-identity-key -m 12 -a "$1" -i tor/keys/authority_identity_key -s tor/keys/authority_signing_key -c tor/keys/authority_certificate --passphrase-fd 0`
	_, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", gencert, "sh", fmt.Sprintf("%s:%d", h.Addr(), torDirPort)}, Stdin: strings.NewReader("passphrase\n")})
	if err != nil {
		return "", err
	}
	certificate, err := h.Read("tor/keys/authority_certificate")
	if err != nil {
		return "", err
	}
	identity := torIdentity.FindStringSubmatch(string(certificate))
	if identity == nil {
		return "", errors.New("the authority's certificate has no fingerprint")
	}
	print, err := torFingerprint(ctx, h)
	return fmt.Sprintf("DirAuthority %s orport=%d no-v2 v3ident=%s %s:%d %s\n", h.Name(), t.ports[h.Name()], identity[1], h.Addr(), torDirPort, print), err
}

// torFingerprint makes the identity of a relay.
func torFingerprint(ctx context.Context, h *lab.Host) (string, error) {
	// Tor wants to know an authority even for this.
	const unknown = "DirAuthority none orport=1 no-v2 v3ident=0000000000000000000000000000000000000001 127.0.0.1:1 0000000000000000000000000000000000000001"
	const list = `cat torrc >tmp.rc && echo "$1" >>tmp.rc && tor -f tmp.rc --quiet --list-fingerprint`
	out, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", list, "sh", unknown}})
	f := strings.Fields(string(out))
	if err != nil || len(f) < 2 {
		return "", fmt.Errorf("tor tells no fingerprint: %q, %w", out, err)
	}
	return strings.Join(f[1:], ""), nil
}

// agree waits until the authorities have agreed on a network of all relays.
func (t *Tor) agree(ctx context.Context, relays []*lab.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		ready := 0
		for i, name := range TorRelays {
			select {
			case <-relays[i].Done():
				return fmt.Errorf("%s has ended: %w\n%s", name, relays[i].Wait(ctx), relays[i].Output())
			default:
			}
			consensus, err := t.r.Host(name).Read("tor/cached-microdesc-consensus")
			if err == nil && strings.Count(string(consensus), "\nr ") == len(TorRelays) && strings.Count(string(consensus), "Guard") >= len(TorRelays) {
				ready++
			}
		}
		if ready == len(TorRelays) {
			return nil
		}
		if err := t.r.Sleep(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%d of the authorities have agreed: %w\n%s", ready, err, relays[0].Output())
		}
	}
}

// Bridge starts a bridge with obfs4 on a port of a host, and returns the line
// of torrc by which clients know it. iat is obfs4's mode of packet times.
func (t *Tor) Bridge(ctx context.Context, h *lab.Host, port, iat string) (string, error) {
	t.r.Installed(h, "tor")
	t.r.Installed(h, "obfs4proxy")
	conf := fmt.Sprintf(torCommon+torRelay, h.Dir(), h.Name(), h.Addr(), "127.0.0.1:5001") + t.known + fmt.Sprintf(
		"BridgeRelay 1\nPublishServerDescriptor 0\nExtORPort auto\nServerTransportPlugin obfs4 exec /usr/bin/obfs4proxy\nServerTransportListenAddr obfs4 0.0.0.0:%s\nServerTransportOptions obfs4 iat-mode=%s\n", port, iat)
	if err := h.Write("torrc", conf, 0o644); err != nil {
		return "", err
	}
	print, err := torFingerprint(ctx, h)
	if err != nil {
		return "", err
	}
	p, err := h.Start(ctx, lab.Command{Args: []string{"tor", "-f", "torrc"}})
	if err != nil {
		return "", err
	}
	if err := inner.Says(ctx, p, "Bootstrapped 100%"); err != nil {
		return "", err
	}
	told, err := h.Read("tor/pt_state/obfs4_bridgeline.txt")
	_, secret, ok := strings.Cut(string(told), "cert=")
	if err != nil || !ok {
		return "", fmt.Errorf("obfs4proxy tells no line: %w", err)
	}
	return fmt.Sprintf("Bridge obfs4 %s:%s %s cert=%s", h.Addr(), port, print, secret), nil
}

// Client starts Tor on a host, with a SOCKS proxy on a port of 127.0.0.1, and
// more lines of torrc. It does not wait until it can be used.
func (t *Tor) Client(ctx context.Context, h *lab.Host, socks int, lines string) (*lab.Process, error) {
	t.r.Installed(h, "tor")
	conf := fmt.Sprintf(torCommon, h.Dir()) + t.known + fmt.Sprintf("SocksPort 127.0.0.1:%d\nClientRejectInternalAddresses 0\n", socks) + lines
	if err := h.Write("torrc", conf, 0o644); err != nil {
		return nil, err
	}
	return h.Start(ctx, lab.Command{Args: []string{"tor", "-f", "torrc"}})
}

// Entry selects the flows of a client to a relay.
func (t *Tor) Entry(client *lab.Process, relay string) lab.Selector {
	return lab.Of(client).And(lab.Service(t.r.Host(relay), "tcp", t.ports[relay]))
}
