package bruteforce

import (
	"fmt"
	"testing"

	"tyto/packet"
)

var client, server = packet.Addr4([]byte{10, 0, 0, 9}), packet.Addr4([]byte{10, 0, 0, 1})

func TestLogins(t *testing.T) {
	for _, c := range []struct {
		name                    string
		logins                  []Login
		refused, accounts, then int
	}{
		{"one account, then in", append(tries("root", 40), Login{At: 41, Account: "root", Accepted: 1}), 40, 1, 40},
		{"in one session", []Login{{At: 1, Refused: 12}}, 12, 0, 0},
		{"a slip of the finger", append(tries("ana", 1), Login{At: 2, Account: "ana", Accepted: 1}), 1, 1, 1},
		{"others log in meanwhile", append(tries("root", 9), Login{At: 10, Account: "ana", Accepted: 1}), 9, 1, 0},
		{"spray", spray(60), 60, 60, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table Table
			var got *Count
			for _, l := range c.logins {
				l.From, l.To, l.How = client, server, "ssh"
				got, _ = table.Add(l)
			}
			if got.Refused != c.refused || got.Accounts != c.accounts || got.Then != c.then {
				t.Errorf("got %d refused, %d accounts, %d before success; want %d, %d, %d", got.Refused, got.Accounts, got.Then, c.refused, c.accounts, c.then)
			}
		})
	}
}

func tries(account string, n int) (list []Login) {
	for i := range n {
		list = append(list, Login{At: int64(i + 1), Account: account, Refused: 1})
	}
	return list
}

func spray(n int) (list []Login) {
	for i := range n {
		list = append(list, Login{At: int64(i + 1), Account: fmt.Sprint("user", i), Refused: 1})
	}
	return list
}

// TestForget wants tries of long ago not to add up with today's.
func TestForget(t *testing.T) {
	var table Table
	table.Add(Login{At: 1, From: client, To: server, Refused: 50})
	got, _ := table.Add(Login{At: 2 + Forget, From: client, To: server, Refused: 1})
	if got.Refused != 1 {
		t.Errorf("refused: got %d, want 1", got.Refused)
	}
}
