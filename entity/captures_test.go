package entity_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/entity"
)

// metadata is what the logs of a recorded network's own hosts say of it.
type metadata struct {
	hosts map[string]map[string]int // by address: host names, lower case, with how often
	users map[string]bool           // of people: DOMAIN\name
}

// readMetadata reads connections that hosts logged themselves.
func readMetadata(t *testing.T, file string) metadata {
	f, err := os.Open(file)
	if err != nil {
		t.Skipf("%v: CAPTURES must have labels/otrf_host_connections.tsv", err)
	}
	defer f.Close()
	m := metadata{map[string]map[string]int{}, map[string]bool{}}
	for in := bufio.NewScanner(f); in.Scan(); {
		col := strings.Split(in.Text(), "\t")
		if len(col) < 12 || col[0] == "dataset" {
			continue
		}
		if user := col[5]; strings.HasPrefix(user, `THESHIRE\`) {
			m.users[strings.ToLower(user)] = true
		}
		for _, a := range []string{col[7], col[9]} {
			if m.hosts[a] == nil {
				m.hosts[a] = map[string]int{}
			}
			m.hosts[a][strings.ToLower(col[3])]++
		}
	}
	return m
}

// host returns the host that an address is: the one that logs it most, as its
// own side of every connection.
func (m metadata) host(addr string) string {
	best := ""
	for name, n := range m.hosts[addr] {
		if have := m.hosts[addr][best]; n > have || n == have && name < best {
			best = name
		}
	}
	short, _, _ := strings.Cut(best, ".")
	return short
}

// TestOTRF holds names and users that are found in public captures of attacks
// against what the hosts in them logged.
func TestOTRF(t *testing.T) {
	root := os.Getenv("CAPTURES")
	files, _ := filepath.Glob(filepath.Join(root, "OTRF+Security-Datasets/datasets/atomic/windows/*/network/*/*.cap"))
	if root == "" || len(files) == 0 {
		t.Skip("CAPTURES is not a folder with OTRF+Security-Datasets")
	}
	meta := readMetadata(t, filepath.Join(root, "labels/otrf_host_connections.tsv"))
	hosts, users := map[string]bool{}, map[string]bool{}
	named, unnamed, withUser := 0, 0, 0
	for _, file := range files {
		g := analyze(t, file, entity.Options{})
		for _, d := range g.Devices() {
			want := meta.host(d.Addresses[0].Addr.String())
			if want == "" || !strings.HasPrefix(d.Addresses[0].Addr.String(), "172.18.") {
				continue
			}
			if len(d.Names) == 0 {
				unnamed++
				continue
			}
			named++
			if short, _, _ := strings.Cut(d.Name, "."); short != want {
				t.Errorf("%s: %s is called %s, its logs say %s", filepath.Base(file), d.ID, d.Name, want)
			}
			hosts[want] = true
		}
		for _, a := range g.Accounts() {
			if a.Machine {
				continue
			}
			domain, _, _ := strings.Cut(a.Domain, ".")
			users[domain+`\`+a.Name] = true
			withUser++
		}
	}
	t.Logf("%d captures: %d devices named, %d without a name in the capture; accounts in %d; hosts %v, users %v", len(files), named, unnamed, withUser, hosts, users)
	for _, want := range []string{"mordordc", "workstation5", "workstation6"} {
		if !hosts[want] {
			t.Errorf("host %s is not found", want)
		}
	}
	if !users[`theshire\pgustavo`] || !meta.users[`theshire\pgustavo`] {
		t.Errorf("got users %v, want those of the logs: %v", users, meta.users)
	}
	for u := range users {
		if !meta.users[u] {
			t.Errorf("user %s is in no log", u)
		}
	}
	if unnamed > named {
		t.Errorf("%d devices have no name, %d have", unnamed, named)
	}
}
