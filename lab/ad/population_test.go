package ad

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
)

func TestPopulation(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := drawPopulation(30, 8, rng)
		added := p.addServices(5, "CORP.EXAMPLE", func() int { return RC4 }, rng)
		if len(p.Users) != 35 || len(added) != 5 {
			t.Fatalf("seed %d: %d users and %d of services, want 35 and 5", seed, len(p.Users), len(added))
		}
		p.edit(func(users []*User) { users[0].Name = "renamed" })
		names := make(map[string]bool)
		for i, u := range p.Users {
			if names[u.Name] {
				t.Errorf("seed %d: two accounts are called %s", seed, u.Name)
			}
			names[u.Name] = true
			if canLogIn := i < 8 || i >= 30; canLogIn != (u.Password != "") {
				t.Errorf("seed %d: user %d has the password %q", seed, i, u.Password)
			}
			if !slices.Contains(p.Units, u.Unit) {
				t.Errorf("seed %d: %s is in %q, which is no unit", seed, u.Name, u.Unit)
			}
		}
		for _, g := range p.Groups {
			for _, m := range g.Members {
				if !names[m] {
					t.Errorf("seed %d: %s has the member %s, who is nobody", seed, g.Name, m)
				}
			}
		}
	}
}

// Password must have three of the four kinds of characters that a domain asks
// for, and none that a command line or JSON would change.
func TestPassword(t *testing.T) {
	want := regexp.MustCompile(`^[A-Z][a-z]+-[0-9]{5}$`)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		if p := Password(rng); !want.MatchString(p) {
			t.Errorf("password %q", p)
		}
	}
}
