package indicator

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// Reasons why an entry cannot be used.
const (
	notTraffic   = "not something that is seen in traffic"
	email        = "e-mail address"
	fileHash     = "hash of a file"
	encryptedURL = "https URL: requests are not seen in it"
	malformed    = "no indicator of a known form"
	tooBroad     = "network of more than a quarter of all addresses"
)

// indicate makes an entry of a value by its form, or says why it cannot.
func indicate(text string) (e Entry, reason string) {
	text = refang(strings.TrimSpace(text))
	if prefix, rest, ok := strings.Cut(text, ":"); ok {
		if k := named[strings.ToLower(prefix)]; k != Unknown {
			return fingerprint(k, rest)
		}
	}
	switch {
	case text == "":
		return e, malformed
	case strings.Contains(text, "://"):
		return webAddress(text)
	case strings.Contains(text, "@"):
		return e, email
	case isJA4(strings.ToLower(text)):
		return fingerprint(JA4, text)
	case isHex(text, 32):
		return fingerprint(Fingerprint, text)
	case isHex(text, 40), isHex(text, 64):
		return fingerprint(Certificate, text)
	case strings.Contains(text, "/"):
		if e, reason = network(text); reason == malformed {
			return webAddress("http://" + text)
		}
		return e, reason
	}
	if e, reason = address(text); reason != malformed {
		return e, reason
	}
	return domain(text)
}

// named are the kinds of fingerprints that a prefix may name.
var named = map[string]Kind{"ja3": JA3, "ja3s": JA3S, "ja4": JA4, "hassh": HASSH, "hasshserver": HASSH, "sha1": Certificate, "sha256": Certificate, "sha-1": Certificate, "sha-256": Certificate}

// refang undoes what keeps indicators from being clicked on.
func refang(s string) string {
	if strings.Contains(s, "[") {
		s = strings.NewReplacer("[.]", ".", "[:]", ":", "[://]", "://", "[at]", "@").Replace(s)
	}
	if len(s) > 4 && strings.EqualFold(s[:4], "hxxp") {
		s = "http" + s[4:]
	}
	return s
}

func fingerprint(k Kind, text string) (Entry, string) {
	text = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(text, ":", "")))
	ok := false
	switch k {
	case JA4:
		ok = isJA4(text)
	case Certificate:
		ok = isHex(text, 40) || isHex(text, 64)
	default:
		ok = isHex(text, 32)
	}
	if !ok {
		return Entry{}, malformed
	}
	return Entry{Kind: k, Value: text}, ""
}

func address(text string) (Entry, string) {
	if a, err := netip.ParseAddr(text); err == nil {
		return addressOf(a, 0)
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return addressOf(a.Addr(), a.Port())
	}
	return Entry{}, malformed
}

func addressOf(a netip.Addr, port uint16) (Entry, string) {
	a = a.Unmap().WithZone("")
	if a.IsUnspecified() || a.IsLoopback() {
		return Entry{}, notTraffic
	}
	return Entry{Kind: Address, Value: a.String(), Port: port}, ""
}

func network(text string) (Entry, string) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return Entry{}, malformed
	case p.IsSingleIP():
		return addressOf(p.Addr(), 0)
	case p.Bits() < 2:
		return Entry{}, tooBroad
	}
	return Entry{Kind: Network, Value: p.Masked().String()}, ""
}

func domain(text string) (Entry, string) {
	text = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(text, ".")), "*."), ".")
	if len(text) > 253 || !strings.Contains(text, ".") {
		return Entry{}, malformed
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r > 0x7f)
		}) {
			return Entry{}, malformed
		}
	}
	if strings.Trim(text[strings.LastIndexByte(text, '.')+1:], "0123456789") == "" {
		return Entry{}, malformed
	}
	return Entry{Kind: Domain, Value: text}, ""
}

func webAddress(text string) (Entry, string) {
	scheme, rest, _ := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "http":
	case "https":
		return Entry{}, encryptedURL
	default:
		return Entry{}, notTraffic
	}
	rest, _, _ = strings.Cut(rest, "#")
	host, path, _ := strings.Cut(rest, "/")
	if h, query, ok := strings.Cut(host, "?"); ok {
		host, path = h, "?"+query
	}
	if host == "" || strings.ContainsAny(host, " \t@\\") || strings.ContainsAny(path, " \t") {
		return Entry{}, malformed
	}
	return Entry{Kind: URL, Value: string(normalURL([]byte(strings.ToLower(host) + "/" + path)))}, ""
}

// normalURL drops the scheme of a URL, the port that http has without saying, and
// a fragment. It works in place.
func normalURL(u []byte) []byte {
	u, _, _ = bytes.Cut(u, []byte{'#'})
	if i := bytes.Index(u, []byte("://")); i >= 0 && i+1 == bytes.IndexByte(u, '/') {
		u = u[i+3:]
	}
	if slash := bytes.IndexByte(u, '/'); slash >= 3 && string(u[slash-3:slash]) == ":80" {
		u = append(u[:slash-3], u[slash:]...)
	}
	return u
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// isJA4 reports whether text has the form of a JA4 fingerprint:
// t13d1516h2_8daaf6152771_b186095e22b6.
func isJA4(s string) bool {
	if len(s) != 36 || s[10] != '_' || s[23] != '_' || !strings.ContainsRune("tqd", rune(s[0])) || !strings.ContainsRune("di", rune(s[3])) {
		return false
	}
	if _, err := strconv.Atoi(s[4:8]); err != nil {
		return false
	}
	return isHex(s[11:23], 12) && isHex(s[24:], 12)
}
