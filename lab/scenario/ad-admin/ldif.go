package adadmin

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// change is a task in LDIF.
func (t *tool) change(k task) string {
	d := t.station.Domain
	dn := "CN=" + k.user + ",CN=Users," + d.Base
	for _, u := range d.Users {
		if u.Name == k.user {
			dn = "CN=" + u.Full + ",OU=" + u.Unit + "," + d.Base
		}
	}
	switch k.verb {
	case "add":
		return fmt.Sprintf("dn: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: %s\nuserAccountControl: 512\nunicodePwd:: %s\n", dn, k.user, quoted(k.password))
	case "member":
		for _, g := range d.Groups {
			if g.Name == k.group {
				return fmt.Sprintf("dn: CN=%s,OU=%s,%s\nchangetype: modify\nadd: member\nmember: %s\n", g.Name, g.Unit, d.Base, dn)
			}
		}
	case "reset":
		return fmt.Sprintf("dn: %s\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: %s\n", dn, quoted(k.password))
	}
	return "dn: " + dn + "\nchangetype: delete\n"
}

// quoted is a password as the attribute unicodePwd takes it, in base 64.
func quoted(password string) string {
	var text []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		text = binary.LittleEndian.AppendUint16(text, u)
	}
	return base64.StdEncoding.EncodeToString(text)
}
