package ad

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// User is an account of a person or a service.
type User struct {
	Name        string   `json:"name"` // in lower case
	Full        string   `json:"full"`
	Unit        string   `json:"unit"` // organizational unit
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Phone       string   `json:"phone"`
	Password    string   `json:"password"` // empty if the account is disabled
	Services    []string `json:"services"` // service principal names
	Flags       int      `json:"flags"`    // of userAccountControl, beside those of a normal account
	Types       int      `json:"types"`    // of encryption, as in msDS-SupportedEncryptionTypes; the server's default if zero
}

// Flags of User and bits of User.Types.
const (
	NoPreauth = 0x400000 // Kerberos gives a ticket's reply to whoever asks
	RC4, AES  = 4, 24
)

// Group is a group of users.
type Group struct {
	Name        string   `json:"name"`
	Unit        string   `json:"unit"`
	Description string   `json:"description"`
	Members     []string `json:"members"`
	Builtin     bool     `json:"builtin"` // it is there, and only gets members
}

// Computer is the account of a machine.
type Computer struct {
	Name     string   `json:"name"` // host name
	System   string   `json:"system"`
	Version  string   `json:"version"`
	Services []string `json:"services"` // beside HOST
	Password string   `json:"password"` // none if nobody uses it
}

// population is who and what is in a domain: what prepare.py reads.
type population struct {
	Server        string            `json:"server"` // the domain controller's host name
	Addresses     map[string]string `json:"addresses"`
	Administrator string            `json:"administrator"` // password
	Units         []string          `json:"units"`
	Users         []*User           `json:"users"`
	Groups        []*Group          `json:"groups"`
	Computers     []*Computer       `json:"computers"`
}

var (
	firstNames = strings.Fields(`Anna Bruno Carla Dmitri Elena Farid Greta Hugo Ines Jonas Keiko Lars Mira Nadia Omar Petra Quentin Rosa
		Samuel Tilda Umar Vera Walter Xenia Yusuf Zora Adele Boris Chiara Daniel Eszter Felix Gloria Henrik Ivana Jorge Katrin Leon Marta Niklas`)
	lastNames = strings.Fields(`Abel Brandt Costa Duarte Ekberg Fischer Galli Horvat Ivanov Jansen Kovacs Lindholm Moreau Novak Okafor Petrov
		Quist Rossi Sandberg Tanaka Urban Vidal Weber Yilmaz Zeman Amato Bauer Cerny Dahl Eriksen Fontana Gruber Hansen Iversen Jung Keller`)
	titles   = []string{"Analyst", "Engineer", "Manager", "Assistant", "Consultant", "Specialist", "Director"}
	units    = []string{"Sales", "Engineering", "Finance", "Human Resources", "Operations", "Legal", "Support", "Purchasing"}
	purposes = []string{"Readers", "Editors", "Project", "Managers", "VPN", "Printers", "Archive", "Reports"}
	systems  = [][2]string{{"Windows 10 Pro", "10.0 (19045)"}, {"Windows 11 Enterprise", "10.0 (22631)"}, {"Windows Server 2019 Standard", "10.0 (17763)"}, {"Windows Server 2022 Datacenter", "10.0 (20348)"}}
	services = []string{"MSSQLSvc/%s:1433", "HTTP/%s", "ldap-app/%s", "backup/%s", "FTP/%s", "jboss/%s:8443", "TERMSRV/%s"}
)

// drawPopulation draws a domain of so many people, of whom active have
// passwords and so can log in; the others are of the past.
func drawPopulation(people, active int, rng *rand.Rand) *population {
	p := &population{Units: append([]string(nil), units...)}
	rng.Shuffle(len(p.Units), func(i, j int) { p.Units[i], p.Units[j] = p.Units[j], p.Units[i] })
	p.Units = p.Units[:3+rng.IntN(len(units)-3)]
	p.Administrator = Password(rng)
	p.drawUsers(people, active, rng)
	p.drawGroups(rng)
	for i := range 2 + people*(40+rng.IntN(60))/100 {
		s := systems[rng.IntN(len(systems))]
		c := &Computer{Name: fmt.Sprintf("ws%03d", i+1), System: s[0], Version: s[1]}
		if strings.Contains(s[0], "Server") {
			c.Name = fmt.Sprintf("srv%03d", i+1)
		}
		for range rng.IntN(3) {
			c.Services = append(c.Services, []string{"TERMSRV", "WSMAN", "RestrictedKrbHost", "HTTP"}[rng.IntN(4)])
		}
		c.Services = unique(c.Services)
		p.Computers = append(p.Computers, c)
	}
	return p
}

func (p *population) drawUsers(people, active int, rng *rand.Rand) {
	names := make(map[string]bool)
	for len(p.Users) < people {
		first, last := firstNames[rng.IntN(len(firstNames))], lastNames[rng.IntN(len(lastNames))]
		name := strings.ToLower(first[:1] + last)
		if names[name] {
			continue
		}
		names[name] = true
		u := &User{
			Name: name, Full: first + " " + last, Unit: p.Units[rng.IntN(len(p.Units))], Title: titles[rng.IntN(len(titles))],
			Phone: fmt.Sprintf("+00 555 %04d", rng.IntN(10000)),
		}
		if len(p.Users) < active {
			u.Password = Password(rng)
		}
		if rng.IntN(4) == 0 {
			u.Description = "Room " + fmt.Sprint(100+rng.IntN(400))
		}
		p.Users = append(p.Users, u)
	}
}

func (p *population) drawGroups(rng *rand.Rand) {
	for _, unit := range p.Units {
		for _, i := range rng.Perm(len(purposes))[:1+rng.IntN(4)] {
			g := &Group{Name: unit + " " + purposes[i], Unit: unit, Description: "Access of " + unit}
			for _, u := range p.Users {
				if u.Unit == unit && rng.IntN(2) == 0 {
					g.Members = append(g.Members, u.Name)
				}
			}
			p.Groups = append(p.Groups, g)
		}
	}
}

// edit lets a function change users; groups follow where it changes names.
func (p *population) edit(change func(users []*User)) {
	before := make(map[string]*User)
	for _, u := range p.Users {
		before[u.Name] = u
	}
	change(p.Users)
	for _, g := range p.Groups {
		for i, m := range g.Members {
			g.Members[i] = before[m].Name
		}
	}
}

// addServices makes n more accounts of services, each with a service principal
// name; types draws their encryption types.
func (p *population) addServices(n int, realm string, types func() int, rng *rand.Rand) (added []*User) {
	for i := range n {
		kind := services[rng.IntN(len(services))]
		name := fmt.Sprintf("svc%s%d", strings.ToLower(strings.FieldsFunc(kind, func(r rune) bool { return r == '/' || r == '-' })[0]), i+1)
		u := &User{
			Name: name, Full: "Service " + name, Unit: p.Units[rng.IntN(len(p.Units))], Description: "service account", Password: Password(rng), Types: types(),
			Services: []string{fmt.Sprintf(kind, fmt.Sprintf("app%02d.%s", i+1, strings.ToLower(realm)))},
		}
		p.Users, added = append(p.Users, u), append(added, u)
	}
	return added
}

// Password draws a password that a domain accepts and everything can carry.
func Password(rng *rand.Rand) string {
	word := strings.ToLower(firstNames[rng.IntN(len(firstNames))])
	return fmt.Sprintf("%s%s-%d", strings.ToUpper(word[:1]), word[1:], 10000+rng.IntN(90000))
}

func unique(list []string) (out []string) {
	seen := make(map[string]bool)
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}
