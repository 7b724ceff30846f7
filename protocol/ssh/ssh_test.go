package ssh

import (
	"crypto/md5"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/session"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition) }

func FuzzAnalyzer(f *testing.F) { flowtest.Fuzz(f, packet.ProtoTCP, 22, Definition) }

// TestHASSH uses the values published with the method: Cyberduck's client.
func TestHASSH(t *testing.T) {
	k := &kexInit{lists: [8]string{
		listKex: "curve25519-sha256@libssh.org,diffie-hellman-group-exchange-sha256,ecdh-sha2-nistp521,ecdh-sha2-nistp384," +
			"ecdh-sha2-nistp256,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1,diffie-hellman-group14-sha1," +
			"diffie-hellman-group14-sha256,diffie-hellman-group15-sha512,diffie-hellman-group16-sha512,diffie-hellman-group17-sha512," +
			"diffie-hellman-group18-sha512,diffie-hellman-group14-sha256@ssh.com,diffie-hellman-group15-sha256," +
			"diffie-hellman-group15-sha256@ssh.com,diffie-hellman-group15-sha384@ssh.com,diffie-hellman-group16-sha256," +
			"diffie-hellman-group16-sha384@ssh.com,diffie-hellman-group16-sha512@ssh.com,diffie-hellman-group18-sha512@ssh.com",
		listCipherCS: "aes128-cbc,aes128-ctr,aes192-cbc,aes192-ctr,aes256-cbc,aes256-ctr,blowfish-cbc,blowfish-ctr,cast128-cbc,cast128-ctr," +
			"idea-cbc,idea-ctr,serpent128-cbc,serpent128-ctr,serpent192-cbc,serpent192-ctr,serpent256-cbc,serpent256-ctr,3des-cbc," +
			"3des-ctr,twofish128-cbc,twofish128-ctr,twofish192-cbc,twofish192-ctr,twofish256-cbc,twofish256-ctr,twofish-cbc,arcfour," +
			"arcfour128,arcfour256",
		listMacCS:  "hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-sha2-256,hmac-sha2-512",
		listCompCS: "zlib@openssh.com,zlib,none",
	}}
	if got, want := fingerprint(k, false).hash, "8a8ae540028bf433cd68356c1b9e8d5b"; got != want {
		t.Errorf("hassh is %s, want %s", got, want)
	}
	k = &kexInit{lists: [8]string{listKex: "a", listCipherCS: "b", listCipherSC: "c", listMacCS: "d", listMacSC: "e", listCompCS: "f", listCompSC: "g"}}
	sum := md5.Sum([]byte("a;c;e;g"))
	if got, want := fingerprint(k, true).hash, hex.EncodeToString(sum[:]); got != want {
		t.Errorf("hasshServer is %s, want that of what the server sends with, %s", got, want)
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct{ client, server, want string }{
		{"a,b,c", "c,b", "b"},
		{"a", "b", ""},
		{"", "", ""},
		{"aes", "aes128", ""},
		{strings.Repeat("x,", 10000) + "z", strings.Repeat("y,", 10000) + "z", "z"},
	} {
		if got := choose(tt.client, tt.server); got != tt.want {
			t.Errorf("choose(%.20q, %.20q) = %q, want %q", tt.client, tt.server, got, tt.want)
		}
	}
}

// TestSize checks sizes that OpenSSH's packets have on the wire.
func TestSize(t *testing.T) {
	for _, tt := range []struct {
		cipher, mac     string
		success, accept int
	}{
		{"chacha20-poly1305@openssh.com", "", 28, 44},
		{"aes128-gcm@openssh.com", "", 36, 52},
		{"aes128-ctr", "hmac-sha1-etm@openssh.com", 40, 56},
		{"aes128-ctr", "hmac-md5", 32, 48},
		{"3des-cbc", "hmac-sha1", 36, 52},
		{"aes256-ctr", "hmac-sha2-256", 48, 64},
	} {
		c := cipherOf(tt.cipher, tt.mac)
		if got := c.size(successPayload); got != tt.success {
			t.Errorf("%s %s: success has %d bytes, want %d", tt.cipher, tt.mac, got, tt.success)
		}
		if got := c.size(servicePayload); got != tt.accept {
			t.Errorf("%s %s: accept has %d bytes, want %d", tt.cipher, tt.mac, got, tt.accept)
		}
	}
}

// TestHiddenLengths logs in with a cipher that hides lengths: segments count.
func TestHiddenLengths(t *testing.T) {
	text, err := os.ReadFile("testdata/login.flow")
	if err != nil {
		t.Fatal(err)
	}
	hidden := strings.ReplaceAll(string(text), "aes128-gcm@openssh.com", "aes128-ctr@openssh.com") // as long
	hidden = strings.ReplaceAll(hidden, "hmac-sha2-256-etm@openssh.com", "hmac-sha2-256-xxx@openssh.com")
	c, err := flowtest.Parse(hidden)
	if err != nil {
		t.Fatal(err)
	}
	// An algorithm nobody knows: no login is told.
	if out := flowtest.Run(c, 0, Definition); strings.Contains(out, "login") {
		t.Errorf("a login is told of unknown algorithms:\n%s", out)
	}
	chacha := "chacha20-poly1305@openssh.com"
	hidden = strings.ReplaceAll(string(text), `00000016 "aes128-gcm@openssh.com"`, `0000001d "`+chacha+`"`)
	hidden = strings.ReplaceAll(hidden, `00000021 "aes128-gcm@openssh.com,aes256-ctr"`, `00000028 "`+chacha+`,aes256-ctr"`)
	if c, err = flowtest.Parse(hidden); err != nil {
		t.Fatal(err)
	}
	for i := range c.Steps { // fourteen bytes longer lists
		if b := c.Steps[i].Data; len(b) > 6 && b[5] == msgKexInit {
			n := int(b[2])<<8 | int(b[3]) + 14
			b[2], b[3] = byte(n>>8), byte(n)
		}
	}
	// The encrypted part: the sizes of chacha20-poly1305's packets.
	k := 0
	for i := range c.Steps {
		if b := c.Steps[i].Data; len(b) > 40 && b[len(b)-1] == 'x' {
			k = i
			break
		}
	}
	newKeys := c.Steps[k].Data[:16]
	sizes := []struct {
		dir session.Direction
		n   int
	}{{0, 44}, {1, 44}, {0, 60}, {1, 52}, {0, 76}, {1, 52}, {0, 76}, {1, 28}, {0, 60}}
	c.Steps = append(c.Steps[:k:k], flowtest.Step{Data: newKeys})
	for _, s := range sizes {
		c.Steps = append(c.Steps, flowtest.Step{Dir: s.dir, Data: make([]byte, s.n)})
	}
	out := flowtest.Run(c, 0, Definition)
	if !strings.Contains(out, `"auth_success":true,"auth_attempts":2`) {
		t.Errorf("want a login at the second attempt:\n%s", out)
	}
}

// login returns what is read of a login between two programs: sizes are those of
// the segments from the client's NEWKEYS on, which is in the first one of the
// client.
func login(t *testing.T, client, server, cipher, mac, sizes string) string {
	t.Helper()
	binaryPacket := func(payload ...byte) []byte {
		b := []byte{0, 0, 0, byte(1 + len(payload) + 4), 4}
		b[2], b[3] = byte((5+len(payload))>>8), byte(5+len(payload))
		return append(append(b, payload...), 0, 0, 0, 0)
	}
	kex := make([]byte, 17)
	kex[0] = msgKexInit
	for _, list := range []string{"curve25519-sha256", "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""} {
		kex = append(append(kex, 0, 0, 0, byte(len(list))), list...)
	}
	kex = append(kex, 0, 0, 0, 0, 0)
	newKeys := binaryPacket(msgNewKeys)
	c := flowtest.Conversation{Tuple: session.Tuple{Proto: packet.ProtoTCP, OrigPort: 40000, RespPort: 22}, Steps: []flowtest.Step{
		{Dir: session.Orig, Data: []byte("SSH-2.0-" + client + "\r\n")},
		{Dir: session.Resp, Data: []byte("SSH-2.0-" + server + "\r\n")},
		{Dir: session.Orig, Data: binaryPacket(kex...)},
		{Dir: session.Resp, Data: binaryPacket(kex...)},
		{Dir: session.Resp, Data: newKeys},
	}}
	begun := false
	for _, s := range strings.Fields(sizes) {
		n, err := strconv.Atoi(s[1:])
		if err != nil {
			t.Fatal(err)
		}
		st := flowtest.Step{Data: make([]byte, n)}
		if s[0] == '<' {
			st.Dir = session.Resp
		} else if !begun {
			begun = true
			// NEWKEYS has 16 bytes in the traffic, with more padding than here.
			st.Data = append(newKeys[:len(newKeys):len(newKeys)], make([]byte, n-16)...)
		}
		c.Steps = append(c.Steps, st)
	}
	return flowtest.Run(c, 0, Definition)
}

// TestLogins has the sizes of logins between several programs, of which the
// outcome is known. All of the ciphers hide the lengths of packets.
func TestLogins(t *testing.T) {
	const chacha, ctr = "chacha20-poly1305@openssh.com", "aes128-ctr"
	const (
		openssh, dropbear, libssh = "OpenSSH_9.2p1", "dropbear_2022.83", "libssh_0.10.6"
		paramiko, xcrypto, tiny   = "paramiko_2.12.0", "Go", "tinyssh_20230101"
	)
	for _, tt := range []struct {
		what, client, server, cipher, mac, sizes, want string
		failed                                         int
	}{
		{"password", openssh, dropbear, chacha, "", ">16 >44 <44 >68 <52 >148 <36 >52 <44 >112 >36 <36", "true 1", 0},
		{"wrong password", openssh, dropbear, chacha, "", ">16 >44 <44 >68 <52 >84 <52", "false 1", 1},
		{"key", openssh, dropbear, chacha, "", ">16 >44 <44 >68 <52 >140 <100 >228 <36 >52 <44 >112", "true 1", 0},
		{"one key refused", openssh, dropbear, chacha, "", ">16 >44 <44 >68 <52 >140 <52 >140 <100 >228 <36 >52", "true 2", 1},
		{"password", openssh, dropbear, ctr, "hmac-sha2-256", ">16 >64 <64 >80 <80 >160 <48 >80 <64 >144", "true 1", 0},
		{"password", openssh, dropbear, ctr, "hmac-sha1", ">16 >52 <52 >68 <68 >148 <36 >68 <52", "true 1", 0},
		{"sent ahead", dropbear, dropbear, chacha, "", ">128 <44 <52 >84 <36 >52 <44 >52 >36 <36", "true 1", 0},
		{"sent ahead, answers together", dropbear, dropbear, chacha, "", ">128 <96 >84 <36 >52 <44", "true 1", 0},
		{"sent ahead, wrong twice", dropbear, dropbear, ctr, "hmac-sha1", ">136 <52 <68 >84 <68 >84 <68 >84", "false 2", 2},
		{"sent ahead, key", dropbear, openssh, ctr, "hmac-sha1", ">136 <52 <84 >148 <100 >244 <36 >68 <248", "true 1", 0},
		{"questions", dropbear, openssh, chacha, "", ">128 <44 <76 >92 <60 >52 <44 >36 <28 >52 <116", "true 1", 0},
		{"wrong answers", dropbear, openssh, chacha, "", ">128 <44 <76 >92 <60 >44 <76 >92 <60 >36 <76", "false 2", 2},
		{"methods asked for, then left", libssh, dropbear, chacha, "", ">16 >44 <44 >68 <52 >52", "- 0", 0},
		{"methods asked for, then left", libssh, openssh, ctr, "hmac-sha1", ">16 >52 <52 >68 <84 >68", "- 0", 0},
		{"third password", libssh, openssh, chacha, "", ">16 >44 <44 >68 <76 >76 <76 >76 <76 >84 <28", "true 3", 2},
		{"short password", libssh, openssh, ctr, "hmac-sha1", ">16 >52 <52 >84 <84 >84 <36", "true 1", 0},
		{"no methods asked for", paramiko, openssh, ctr, "hmac-sha2-256", ">16 >64 <64 >112 <48 >80", "true 1", 0},
		{"service asked for again", paramiko, openssh, ctr, "hmac-sha2-256", ">16 >64 <64 >96 <96 >64 <64 >112 <48 >80", "true 2", 1},
		{"wrong password", paramiko, openssh, ctr, "hmac-sha2-256", ">16 >64 <64 >96 <96", "false 1", 1},
		{"service in the segment of NEWKEYS", xcrypto, openssh, ctr, "hmac-sha1", ">68 <52 >68 <84 >84 <84 >84 <36 >52", "true 2", 1},
		{"one method", openssh, xcrypto, chacha, "", ">16 >44 <44 >68 <44 >148 <28 >52 <44", "true 1", 0},
		{"one method, sent ahead", dropbear, xcrypto, chacha, "", ">128 <44 <44 >84 <28 >52", "true 1", 0},
		{"extensions before the service request", openssh, openssh, chacha, "", ">16 >112 <44 >68 <76 >148 <28 >112", "true 1", 0},
		{"paddings at random", openssh, tiny, chacha, "", ">16 >44 <60 >68 <52 >140 <108 >228 <60", "- 0", 0},
	} {
		out := login(t, tt.client, tt.server, tt.cipher, tt.mac, tt.sizes)
		got := "- 0"
		if m := regexp.MustCompile(`"auth_success":(true|false),"auth_attempts":(\d+)`).FindStringSubmatch(out); m != nil {
			got = m[1] + " " + m[2]
		}
		if failed := strings.Count(out, "login_failed"); got != tt.want || failed != tt.failed {
			t.Errorf("%s, %s to %s with %s %s: success and attempts are %s with %d failures told, want %s with %d",
				tt.what, tt.client, tt.server, tt.cipher, tt.mac, got, failed, tt.want, tt.failed)
		}
	}
}
