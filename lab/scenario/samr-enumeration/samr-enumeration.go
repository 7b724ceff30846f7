// Package samrenumeration lists accounts and shares by remote procedure calls.
package samrenumeration

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// Scenario asks SAMR, LSARPC, SRVSVC and WKSSVC, all over SMB.
var Scenario = lab.Scenario{
	Name:       "samr-enumeration",
	Doc:        "An intruder lists users, groups, security identifiers, shares and sessions of a domain controller by remote procedure calls over SMB. Teaches many small calls on named pipes.",
	Labels:     []label.Label{label.Enumeration},
	Techniques: []string{"T1087.002", "T1069.002", "T1135", "T1201", "T1082"},
	Twin:       "ad-admin",
	Hosts:      []string{"client", "dc"},
	Variants: []lab.Variant{
		{Name: "rpcclient-samba", Needs: ad.Needs("rpcclient")},
		{Name: "impacket-samba", Needs: ad.Needs("py:impacket")},
	},
	Params: []lab.Param{
		ad.Realm, ad.People, ad.Kerberos, ad.Protection,
		{Name: "sessions", Doc: "a login for each question with rpcclient, or one for all", Values: []string{"each", "one"}},
		{Name: "breadth", Doc: "kinds of things that are asked for", Values: []string{"3", "6", "10"}},
		{Name: "identifiers", Doc: "that are tried one by one", Values: []string{"0", "20", "100"}},
		{Name: "pause", Doc: "between questions in seconds, about", Values: []string{"0", "0.3", "2"}},
	},
	Limit: 6 * time.Minute,
	Run:   run,
}

//go:embed enumerate.py
var program string

// questions are rpcclient's; users and groups come first.
var questions = []string{
	"enumdomusers", "enumdomgroups", "netshareenumall", "querydispinfo", "enumalsgroups builtin", "enumalsgroups domain", "querydominfo", "getdompwinfo",
	"srvinfo", "lsaquery", "lsaenumsid", "dsroledominfo", "querygroupmem 0x200", "queryuser 0x1f4", "queryusergroups 0x1f4", "netsharegetinfo netlogon", "lookupsids S-1-5-32-544",
}

func run(ctx context.Context, r *lab.Run) error {
	d, err := ad.Start(ctx, r, r.Host("dc"), ad.Options{RPC: true, People: r.ParamInt("people"), Global: ad.ProtectionConfig(r.Param("protection"))})
	if err != nil {
		return err
	}
	s, err := d.Join(ctx, r.Host("client"))
	if err != nil {
		return err
	}
	user := d.Person(r.Rand())
	var output string
	if r.Variant() == "rpcclient-samba" {
		output, err = byTool(ctx, r, s, user)
	} else {
		output, err = byProgram(ctx, r, s, user)
	}
	if err != nil {
		return err
	}
	for _, u := range d.Users {
		if !strings.Contains(output, "["+u.Name+"]") {
			return fmt.Errorf("%s was not found\n%s", u.Name, output)
		}
	}
	return nil
}

func byTool(ctx context.Context, r *lab.Run, s *ad.Station, user *ad.User) (output string, err error) {
	pause, err := strconv.ParseFloat(r.Param("pause"), 64)
	if err != nil {
		return "", err
	}
	r.Installed(s.Host, "rpcclient")
	asked := append([]string{questions[0]}, pick(questions[1:], r)...)
	for rid := 500; rid < 500+r.ParamInt("identifiers"); rid += 10 {
		asked = append(asked, fmt.Sprintf("samlookuprids domain %s;lsaquery", ids(rid, 10))) // the status is that of the last one
	}
	if r.Param("sessions") == "one" {
		asked = []string{strings.Join(asked, ";")}
	}
	mode := map[string]string{"none": "off", "signed": "sign", "encrypted": "encrypt"}[r.Param("protection")]
	for _, question := range asked {
		c := lab.Command{Args: []string{
			"rpcclient", s.Domain.Name(s.Domain.DC), "--use-kerberos=off", "--client-protection=" + mode, "-U", s.Domain.NetBIOS + `\` + user.Name + "%" + user.Password, "-c", question,
		}}
		text, err := s.Do(ctx, c, lab.Service(s.Domain.DC, "tcp", 445), question, label.Enumeration)
		if err != nil {
			return "", err
		}
		output += text
		if err := r.Sleep(ctx, time.Duration(pause*min(r.Rand().ExpFloat64(), 4)*float64(time.Second))); err != nil {
			return "", err
		}
	}
	return output, nil
}
