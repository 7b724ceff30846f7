package ssh

import (
	"crypto/md5"
	"encoding/hex"
	"os"
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
