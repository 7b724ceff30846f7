package entity_test

import (
	"fmt"

	"tyto/entity"
	"tyto/packet"
	"tyto/protocol"
	"tyto/session"
)

// A laptop gets an address, says its name and talks to a server; the graph
// tells who it is, and what it reached.
func Example() {
	g := entity.New(entity.Options{})
	laptop, dns := packet.Addr4([]byte{10, 20, 3, 17}), packet.Addr4([]byte{10, 20, 0, 53})
	at := int64(1_700_000_000_000_000_000)
	s := &session.Session{Tuple: session.Tuple{Orig: laptop, Resp: dns, OrigPort: 5353, RespPort: 53, Proto: packet.ProtoUDP}, First: at, Last: at}
	g.ARP(at, &packet.ARP{Op: 2, SenderIP: laptop, SenderMAC: packet.MAC{0x3c, 0x52, 0x82, 1, 2, 3}})
	g.Observe(s, at, &protocol.Observation{Kind: protocol.HostName, Addr: laptop, Value: "FIN-LT-03", Source: "nbns"})
	g.Observe(s, at, &protocol.Observation{Kind: protocol.UserName, Addr: laptop, Value: `CORP\m.ortiz`, Source: "ntlm"})
	g.Observe(s, at, &protocol.Observation{Kind: protocol.ServerName, Addr: dns, Value: "dns.corp.example", Source: "sni"})

	d := g.DeviceAt(laptop, at)
	fmt.Println(d.Name, d.Vendor, d.Users[0].Value)
	v := g.Now()
	for l := range v.Links(v.Holder(laptop)) {
		if l.Relation == entity.Reached {
			fmt.Println(l.Relation, g.Name(l.To), "by", v.Prevalence(l.To), "device")
		}
	}
	// Output:
	// fin-lt-03 Hewlett Packard m.ortiz@corp
	// reached domain:dns.corp.example by 1 device
}
