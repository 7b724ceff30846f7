package http

import (
	"bytes"

	"tyto/protocol"
	"tyto/session"
)

// Names of the fields of login forms, in lower case.
var (
	secretFields = []string{"password", "passwd", "pass", "pwd", "pw", "passwort", "user_password", "userpassword", "login_password",
		"j_password", "txtpassword", "_password", "passw"}
	accountFields = []string{"username", "user", "login", "email", "user_name", "userid", "user_id", "uname", "account", "log", "usr",
		"j_username", "txtusername", "_username", "mail", "name"}
)

// form observes the account of a login form that crossed in the clear. The
// secret is not kept.
func (t *Facts) form(f *protocol.Flow, body []byte) {
	secret := false
	var account []byte
	for len(body) > 0 {
		var pair []byte
		pair, body, _ = bytes.Cut(body, []byte{'&'})
		key, value, ok := bytes.Cut(pair, []byte{'='})
		switch {
		case !ok || len(value) == 0:
		case oneOf(key, secretFields):
			secret = true
		case account == nil && oneOf(key, accountFields):
			account = value[:min(len(value), maxFact)]
		}
	}
	if !secret {
		return
	}
	user := unescape(account)
	if user == "" {
		user = "unknown"
	}
	if user == t.user {
		return
	}
	t.user, t.login = user, false
	addr := f.Addr(session.Orig)
	if len(account) > 0 {
		f.Observe(protocol.Observation{Kind: protocol.UserName, Addr: addr, Value: user})
	}
	f.Observe(protocol.Observation{Kind: protocol.Credential, Addr: addr, Value: user})
}

func oneOf(key []byte, names []string) bool {
	for _, name := range names {
		if fold(key, name) {
			return true
		}
	}
	return false
}

// unescape returns the text of a form's value (URL Living Standard section 5.1).
func unescape(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(b):
			if n, ok := chunkSize(b[i+1 : i+3]); ok {
				c = byte(n)
				i += 2
			}
		}
		out = append(out, c)
	}
	return string(out)
}
