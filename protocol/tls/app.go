package tls

import (
	"strings"

	"tyto/internal/x509lite"
	"tyto/protocol"
)

// resolvers are the names of public resolvers of DNS over HTTPS that have no
// other use, and domains (with a leading dot) under which each name is one.
var resolvers = map[string]bool{
	"dns.google": true, "dns.google.com": true, "dns64.dns.google": true,
	"cloudflare-dns.com": true, "mozilla.cloudflare-dns.com": true, "chrome.cloudflare-dns.com": true,
	"security.cloudflare-dns.com": true, "family.cloudflare-dns.com": true, "one.one.one.one": true, "1dot1dot1dot1.cloudflare-dns.com": true,
	"dns.quad9.net": true, "dns9.quad9.net": true, "dns10.quad9.net": true, "dns11.quad9.net": true,
	"doh.opendns.com": true, "doh.familyshield.opendns.com": true, "doh.umbrella.com": true, "dns.umbrella.com": true,
	"dns.adguard.com": true, "dns.adguard-dns.com": true, "family.adguard-dns.com": true, "unfiltered.adguard-dns.com": true,
	"doh.cleanbrowsing.org": true, "dns.nextdns.io": true, "firefox.dns.nextdns.io": true, "chromium.dns.nextdns.io": true,
	"dns.controld.com": true, "freedns.controld.com": true, "dns0.eu": true, "zero.dns0.eu": true,
	"dns.mullvad.net": true, "doh.mullvad.net": true, "adblock.dns.mullvad.net": true,
	"doh.dns.apple.com": true, "doh.xfinity.com": true, "private.canadianshield.cira.ca": true,
	"dns.alidns.com": true, "doh.pub": true, "doh.360.cn": true, "dns.twnic.tw": true, "public.dns.iij.jp": true,
	"odvr.nic.cz": true, "dns.switch.ch": true, "dns.digitale-gesellschaft.ch": true, "doh.libredns.gr": true,
	"ordns.he.net": true, "wikimedia-dns.org": true, "dns.njal.la": true, "doh.ffmuc.net": true, "dns.brahma.world": true,
	"anycast.uncensoreddns.org": true, "unicast.uncensoreddns.org": true, "doh.applied-privacy.net": true,
	".dns.nextdns.io": true, ".cloudflare-gateway.com": true, ".dns.controld.com": true, ".d.adguard-dns.com": true,
}

// Resolver reports whether a server name is one of a public resolver of DNS
// over HTTPS.
func Resolver(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if resolvers[name] {
		return true
	}
	i := strings.IndexByte(name, '.')
	return i > 0 && resolvers[name[i:]]
}

// portDNS is the port of DNS over TLS and over QUIC (RFC 7858, RFC 9250).
const portDNS = 853

// nameApp names what is carried where the hello shows it: DNS, by the protocols
// offered, the port, or the name of the resolver.
func (h *Handshake) nameApp(f *protocol.Flow) {
	web, resolver := false, f.Session.RespPort == portDNS
	for _, p := range h.sum.alpn {
		switch p {
		case "h2", "h3":
			web = true
		case "dot", "doq":
			resolver = true
		}
	}
	switch {
	case resolver && h.carrier == OverQUIC:
		f.SetApp("doq")
	case resolver && h.carrier == OverTCP:
		f.SetApp("dot")
	case web && Resolver(h.sum.serverName):
		f.SetApp("doh")
	}
}

// torCertificate recognises the certificates of Tor's relays: subject and issuer
// are nothing but random names, www.X.net signed by www.Y.com, of the base 32
// alphabet and of two different names, and the client asks for a third.
func torCertificate(c *x509lite.Certificate, serverName string) bool {
	subject, issuer := onlyName(c.Subject, c.CommonName()), onlyName(c.Issuer, c.IssuerCommonName())
	return torName(subject, ".net") && torName(issuer, ".com") && subject[4:len(subject)-4] != issuer[4:len(issuer)-4] &&
		(serverName == "" || torName(serverName, ".com") && serverName != issuer) && len(c.SAN) == 0
}

// onlyName returns a name's common name if it has no other attribute.
func onlyName(name, cn []byte) string {
	// One set, one sequence, the identifier of five bytes and the value.
	if want := 2 + 2 + 5 + 2 + len(cn); len(cn) == 0 || len(name) != want {
		return ""
	}
	return string(cn)
}

// torName reports whether name is www.X and the given ending, X being 8 to 20
// characters as Tor makes them.
func torName(name, ending string) bool {
	x, ok := strings.CutPrefix(name, "www.")
	if x, ok2 := strings.CutSuffix(x, ending); ok && ok2 && len(x) >= 8 && len(x) <= 20 {
		for i := range len(x) {
			if c := x[i]; !(c >= 'a' && c <= 'z' || c >= '2' && c <= '7') {
				return false
			}
		}
		return true
	}
	return false
}
