package ssh

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/session"
)

// connection is a connection whose encrypted part has segments of the given sizes,
// ">28", "<44", and waits of so many ms, "~900". It begins before the client's
// NEWKEYS, which is not in the sizes.
func connection(t *testing.T, client, server, sizes string) string {
	t.Helper()
	binaryPacket := func(payload ...byte) []byte {
		n := 5 + len(payload)
		return append(append([]byte{0, 0, byte(n >> 8), byte(n), 4}, payload...), 0, 0, 0, 0)
	}
	offer := append([]byte{msgKexInit}, make([]byte, 16)...)
	for _, list := range []string{"curve25519-sha256", "ssh-ed25519", "chacha20-poly1305@openssh.com", "chacha20-poly1305@openssh.com", "", "", "none", "none", "", ""} {
		offer = append(append(offer, 0, 0, 0, byte(len(list))), list...)
	}
	offer = append(offer, 0, 0, 0, 0, 0)
	reply := append([]byte{msgKex31, 0, 0, 0, 51, 0, 0, 0, 11}, "ssh-ed25519"...)
	reply = append(reply, make([]byte, 120)...)
	c := flowtest.Conversation{Tuple: session.Tuple{Proto: packet.ProtoTCP, OrigPort: 40000, RespPort: 22}, Steps: []flowtest.Step{
		{Dir: session.Orig, Data: []byte("SSH-2.0-" + client + "\r\n")},
		{Dir: session.Resp, Data: []byte("SSH-2.0-" + server + "\r\n")},
	}}
	var wait int64
	for _, s := range strings.Fields(sizes) {
		st := flowtest.Step{Wait: wait}
		if s[0] == '<' {
			st.Dir = session.Resp
		}
		switch s[1:] {
		case "offer":
			st.Data = binaryPacket(offer...)
		case "init":
			st.Data = binaryPacket(append([]byte{msgKex30}, make([]byte, 36)...)...)
		case "reply":
			st.Data = append(binaryPacket(reply...), binaryPacket(msgNewKeys)...)
		case "newkeys":
			st.Data = binaryPacket(msgNewKeys)
		default:
			n, err := strconv.Atoi(s[1:])
			if err != nil {
				t.Fatal(err)
			}
			if s[0] == '~' {
				wait += int64(n) * 1e6
				continue
			}
			st.Data = make([]byte, n)
		}
		c.Steps, wait = append(c.Steps, st), 0
	}
	_, rest, found := strings.Cut(flowtest.Run(c, 0, Definition), `"inferences":[`)
	if !found {
		return ""
	}
	list, _, _ := strings.Cut(rest, "]")
	return strings.ReplaceAll(strings.ReplaceAll(list, `"`, ""), ",", " ")
}

// TestInferences has the sizes of connections of the lab, and what was done.
func TestInferences(t *testing.T) {
	const (
		openssh, dropbear, libssh = "OpenSSH_9.2p1", "dropbear_2022.83", "libssh_0.10.6"
		exchange                  = ">offer <offer >init <reply >newkeys "
		started                   = exchange + ">44 <44 >68 <76 "
		key                       = started + ">140 <100 >308 <28 "
		shell                     = ">112 <264 ~40 >452 <108 "
		pressed                   = "~200 >36 <36 ~140 >36 <36 ~310 >36 <36 ~90 >36 <36 ~170 >36 <52 "
		command                   = ">112 <264 >128 <72 <356 >36 <36 >60"
		guess                     = "~400 <76"
		forward                   = ">68 >60 <264 <28 "
		inner                     = "<92 >44 <76 >76 <1448 >1124 <1244 >1448 "
		login                     = "<52 >84 <84 >108 >116 <180 >140 <348 >68 <148 >300 >228 <492 >148 >148 "
		typing                    = "~300 <76 >76 ~180 <76 >76 ~120 <76 >76 ~240 <76 >76 ~150 <76 >76 "
	)
	for _, tt := range []struct{ what, client, server, sizes, want string }{
		{"a key and a shell", openssh, openssh, key + shell + pressed, "CTS PKA KS"},
		{"the twin: a program's command", openssh, openssh, key + command, "CTS PKA AUTO"},
		{"keys that are keepalives", openssh, openssh, key + shell + strings.Repeat("~1000 >52 <28 ", 12), "CTS PKA AUTO"},
		{"a new key of the server", openssh, openssh, strings.Replace(key+command, ">newkeys", "~4000 >newkeys", 1), "CUS PKA AUTO"},
		{"a typed password", openssh, openssh, started + "~3000 >148 ~300 <28 " + command, "CTS IPWA AUTO"},
		{"a program's password", openssh, openssh, started + ">148 ~300 <28 " + command, "CTS APWA AUTO"},
		{"a wrong one first", openssh, openssh, started + "~3000 >148 ~300 <76 ~2000 >148 ~300 <28 " + shell + pressed, "CTS IPWA KS"},
		{"guesses of a program", openssh, openssh, started + strings.Repeat(">148 "+guess+" ", 3), "CTS APWA BF"},
		{"the right guess", openssh, openssh, started + ">148 " + guess + " >148 <28 " + command, "CTS APWA BF BFS AUTO"},
		{"a key and a code", openssh, openssh, started + ">140 <100 >308 <52 >92 <60 ~5000 >84 <44 >84 <28 " + shell + pressed, "CTS PKA IPWA MFA KS"},
		{"a password and a code", openssh, openssh, started + ">92 <60 ~4000 >84 <92 ~5000 >84 <28 " + shell + pressed, "CTS IPWA MFA KS"},
		{"nothing is asked for", openssh, openssh, exchange + ">44 <44 >68 <28 " + command, "CTS NA AUTO"},
		{"together with what follows", dropbear, openssh, exchange + ">112 <44 <144 >52 <44 >52 <36", "CTS NA AUTO"},
		{"a goodbye as short", libssh, openssh, exchange + ">44 <44 >68 <76 >52", "CTS SA"},
		{"a banner", openssh, openssh, exchange + ">44 <44 >68 <124 <76 >140 <100 >308 <28 " + command, "BAN CTS PKA AUTO"},
		{"Kerberos", openssh, openssh, exchange + ">44 <44 >68 <100 >100 <44 >1516 <188 >60 <28 " + command, "CTS UA AUTO"},
		{"declared and let in", "paramiko_2.12.0", "libssh_0.8.3", exchange + ">44 <44 >28 ~300 >52 <44 >68 <300", "CTS ABP"},
		{"declared in vain", "paramiko_2.12.0", openssh, exchange + ">44 <44 >28 <36", "CTS"},
		{"version", openssh, openssh, "", "SV"},
		{"algorithms", openssh, openssh, ">offer <offer", "SC"},
		{"ways to log in", openssh, openssh, started, "CTS SA"},
		{"somebody who gives up", openssh, openssh, started + "~9000 >52", "CTS"},
		{"no login", "paramiko_2.12.0", openssh, exchange + ">44 <44", "CTS SP"},
		{"no command", openssh, openssh, key + ">60 <412 ~5000 >52 <28 ~5000 >52 <28", "CTS PKA NRC"},
		{"an agent that is asked", openssh, openssh, key + shell + pressed + "<180 <68 >44 <44 >116 <252 >132 <36 >72 <36", "CTS PKA AFR KS"},
		{"a file up", openssh, openssh, key + ">112 <264 >128 <72 <36 >60 <36 " + strings.Repeat(">1448 ", 8) + "<36 >36 >60", "CTS PKA SFU"},
		{"a large file down", openssh, openssh, key + ">112 <264 >128 <72 >36 <68 >36 " + strings.Repeat("<1448 ", 60) + ">36 >60", "CTS PKA LFD"},
		{"a reverse tunnel that nobody uses", openssh, openssh, key + forward + "~5000 >52 <28", "CTS PKA NRC RSP"},
		{"that a program uses at once", openssh, openssh, key + forward + "~60 <92 >44 <276 >300", "CTS PKA NRC RSP RSI RSIA"},
		{"that somebody works in", openssh, openssh, key + forward + "~7000 " + inner + login + typing, "CTS PKA NRC RSP RSI RSL RSK"},
		{"the twin: a shell through a jump host", openssh, openssh, key + ">152 <412 <44 <76 >76 >1448 <1124 >1244 <1448 " + strings.NewReplacer("<", ">", ">", "<").Replace(login+typing), "CTS PKA NRC KS"},
	} {
		if got := connection(t, tt.client, tt.server, tt.sizes); got != tt.want {
			t.Errorf("%s: inferred %q, want %q", tt.what, got, tt.want)
		}
	}
}

// TestHeard joins sound and lengths.
func TestHeard(t *testing.T) {
	for _, tt := range []struct {
		what, heard, rules, want string
		opened                   opened
	}{
		{"keys that lengths do not show", "KS", "AUTO", "KS", opened{session: true}},
		{"no keys where files move", "SFU", "KS SFU", "SFU", opened{session: true}},
		{"how large", "SFD", "AUTO", "LFD", opened{session: true, data: [2]uint64{100, large}}},
		{"a long answer is no file", "AUTO", "SFD", "AUTO", opened{session: true}},
		{"nothing is done in what was not opened", "KS SFU", "NRC", "NRC", opened{}},
		{"no tunnel, no keys in it", "RSK", "AUTO", "AUTO", opened{session: true}},
		{"keys in the tunnel", "RSK", "NRC RSP RSI", "NRC RSP RSI RSL RSK", opened{forward: 1, reverse: 2}},
		{"a guess that succeeded", "BF", "APWA AUTO", "APWA BF BFS AUTO", opened{session: true}},
	} {
		a := &analyzer{opened: &tt.opened}
		a.auth.success, a.auth.turns = true, make([]turn, 1)
		a.Infer(strings.Fields(tt.heard))
		told := make(map[string]bool)
		for _, code := range strings.Fields(tt.rules) {
			told[code] = true
		}
		a.inferHeard(told)
		var got []string
		for _, i := range Inferences {
			if told[i.Code] {
				got = append(got, i.Code)
			}
		}
		if want := strings.Fields(tt.want); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tt.what, got, want)
		}
	}
}

// TestPayload holds payload against size.
func TestPayload(t *testing.T) {
	for _, c := range []cipher{cipherOf("chacha20-poly1305@openssh.com", ""), cipherOf("aes128-gcm@openssh.com", ""), cipherOf("aes128-ctr", "hmac-sha2-256"), cipherOf("3des-cbc", "hmac-sha1")} {
		for p := range 300 {
			if least, most := c.payload(c.size(p)); p < least || p > most {
				t.Fatalf("%+v: %d bytes of payload are %d on the wire, which are taken for %d to %d", c, p, c.size(p), least, most)
			}
		}
	}
}
