package sensor

import (
	"slices"

	"tyto/packet"
	"tyto/protocol"
)

// tunnelApp names the session of a tunnel by what was found inside it.
func tunnelApp(kind packet.Layer) string {
	switch kind {
	case packet.LayerIPv4, packet.LayerIPv6:
		return "ipip"
	}
	return kind.String()
}

// IsCarrier reports whether an app is a tunnel that packet decoding takes apart.
func IsCarrier(app string) bool {
	return slices.ContainsFunc(TunnelDefinitions(), func(d protocol.Definition) bool { return d.Name == app })
}

// TunnelDefinitions are the protocols that packet decoding takes apart. They
// are never probed for: a session is named so when packets came out of it.
func TunnelDefinitions() []protocol.Definition {
	return []protocol.Definition{
		{Name: "gre", Doc: "Generic Routing Encapsulation (RFC 2784, RFC 2890): taken apart, the sessions inside have it as tunnel parent."},
		{Name: "erspan", Doc: "Encapsulated remote port mirroring over GRE: taken apart."},
		{Name: "vxlan", Doc: "Virtual eXtensible LAN (RFC 7348): taken apart."},
		{Name: "geneve", Doc: "Generic Network Virtualization Encapsulation (RFC 8926): taken apart."},
		{Name: "teredo", Doc: "IPv6 over UDP through NATs (RFC 4380): taken apart."},
		{Name: "gtpu", Service: "gtpv1", Doc: "GPRS tunnelling, user plane (3GPP TS 29.281): taken apart."},
		{Name: "ipip", Doc: "IP in IP (RFC 2003) and IPv6 in IPv4 (RFC 4213): taken apart."},
	}
}
