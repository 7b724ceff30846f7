package credential

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tyto/detection"
)

// secret is a remote procedure by which secrets are taken, with what it weighs.
type secret struct {
	llr  float64
	what string
}

// secrets, by interface and operation (SCIENCE.md D.2).
var secrets = map[string]map[string]secret{
	"drsuapi": {"DRSReplicaAdd": {6, "asked to be a replica of the directory (DRSReplicaAdd)"}},
	"winreg": {
		"BaseRegSaveKey":   {4.5, "saved a registry hive to a file (BaseRegSaveKey)"},
		"BaseRegSaveKeyEx": {4.5, "saved a registry hive to a file (BaseRegSaveKeyEx)"},
	},
	"lsarpc": {
		"LsarRetrievePrivateData": {5, "took secrets of the local security authority (LsarRetrievePrivateData)"},
		"LsarQuerySecret":         {5, "took secrets of the local security authority (LsarQuerySecret)"},
		"LsarOpenSecret":          {3, "opened a secret of the local security authority"},
	},
	"BackupKey":       {"bkrp_BackupKey": {4, "asked for the domain's backup key"}, "BackuprKey": {4, "asked for the domain's backup key"}},
	"efsrpc":          {"EfsRpcOpenFileRaw": {4.5, "made it log in elsewhere (EfsRpcOpenFileRaw)"}, "EfsRpcEncryptFileSrv": {4.5, "made it log in elsewhere (EfsRpcEncryptFileSrv)"}},
	"lsass_efsrpc":    {"EfsRpcOpenFileRaw": {4.5, "made it log in elsewhere (EfsRpcOpenFileRaw)"}},
	"spoolss":         {"RpcRemoteFindFirstPrinterChangeNotificationEx": {4, "made its print service log in elsewhere"}, "RpcAddMonitor": {4, "installed a print monitor"}, "RpcAddPrintProcessor": {4, "installed a print processor"}},
	"eventlog":        {"ElfrClearELFW": {5, "cleared an event log"}, "ElfrClearELFA": {5, "cleared an event log"}},
	"IEventService":   {"EvtRpcClearLog": {5, "cleared an event log"}},
	"netdfs":          {"NetrDfsRemoveStdRoot": {4, "made it log in elsewhere (NetrDfsRemoveStdRoot)"}, "NetrDfsAddStdRoot": {4, "made it log in elsewhere (NetrDfsAddStdRoot)"}},
	"ISecLogon":       {"SeclCreateProcessWithLogonW": {4, "started a process as another account"}},
	"InitShutdown":    {"BaseInitiateShutdown": {2, "shut it down"}, "BaseInitiateShutdownEx": {2, "shut it down"}},
	"WindowsShutdown": {"WsdrInitiateShutdown": {2, "shut it down"}},
}

// calls weighs remote procedure calls.
func (d *Detector) calls(s *detection.Session, l *detection.Ledger) {
	challenges, opened := 0, false
	for i := range s.Sheet.Calls {
		c := &s.Sheet.Calls[i]
		switch {
		case c.Interface == "netlogon":
			switch c.Operation {
			case "NetrServerReqChallenge", "NetrServerAuthenticate", "NetrServerAuthenticate2", "NetrServerAuthenticate3":
				challenges += c.Count
			case "NetrServerPasswordSet2", "NetrServerPasswordSet":
				opened = true
			}
		case c.Interface == "drsuapi" && c.Operation == "DRSGetNCChanges" && c.Fault == "":
			if len(d.pending) < maxPending {
				keep := *s
				d.pending = append(d.pending, replication{keep, c.At})
			}
		}
		if v, ok := secrets[c.Interface][c.Operation]; ok {
			f := l.Finding(&dumping, s.Between())
			involve(f, s)
			f.Title = fmt.Sprintf("%v takes secrets from %v or makes it act", s.Orig, s.Resp)
			llr := v.llr
			if c.Fault != "" {
				llr--
				f.Outcome = detection.Attempt
			}
			f.Add(detection.Evidence{Kind: c.Operation, LLR: llr, UID: s.UID, T0: c.At, Claim: fmt.Sprintf("%v %s on %v", s.Orig, v.what, s.Resp)})
		}
	}
	d.challenged(s, l, challenges, opened)
	d.listed(s, l)
}

// minChallenges is how often a member of a domain may begin anew.
const minChallenges = 10

// challenged adds challenges up over sessions: each try may have its own.
func (d *Detector) challenged(s *detection.Session, l *detection.Ledger, n int, opened bool) {
	if n == 0 && !opened {
		return
	}
	key := s.Between()
	total := d.challenges[key] + n
	if len(d.challenges) < maxClients || d.challenges[key] > 0 {
		d.challenges[key] = total
	}
	if total < minChallenges {
		return
	}
	f := l.Finding(&zerologon, key)
	involve(f, s)
	f.Title = fmt.Sprintf("%v tries Netlogon of %v with empty keys", s.Orig, s.Resp)
	if !f.Has("password") {
		f.Outcome = detection.Attempt
	}
	f.Set(detection.Evidence{Kind: "challenges", LLR: min(4+1.5*math.Log(float64(total)/minChallenges), 9), UID: s.UID, T0: s.First, T1: s.Last, Claim: fmt.Sprintf("%d challenges and authentications, where a member of the domain needs two", total)})
	if opened {
		f.Outcome = detection.Attack
		f.Set(detection.Evidence{Kind: "password", LLR: 2.5, UID: s.UID, T0: s.Last, Claim: "then a machine's password was set (NetrServerPasswordSet2)"})
	}
}

// telling is what a kind of question weighs: how seldom others than intruders and
// their maps of a domain ask it.
var telling = map[string]float64{
	"sessions": 1.2, "logged-on users": 1.2, "users": 1.2, "groups": 0.8, "members of groups": 0.8, "whether one may manage services": 0.6, "services": 0.6,
	"administrators": 1.2, "accounts with services": 1.5, "all users": 1.2, "all computers": 1, "who may do what": 1.2, "local passwords": 2, "trusts": 1,
}

// lookups are what directory searches ask for, by a part of the filter or of the
// attributes.
var lookups = []struct{ part, what string }{
	{"serviceprincipalname=*", "accounts with services"}, {"admincount", "administrators"}, {"domain admins", "administrators"}, {"enterprise admins", "administrators"},
	{"samaccounttype=805306368", "all users"}, {"samaccounttype=805306369", "all computers"}, {"objectcategory=computer)", "all computers"},
	{"ntsecuritydescriptor", "who may do what"}, {"ms-mcs-admpwd", "local passwords"}, {"trusteddomain", "trusts"},
}

// kinds returns what a session asks for.
func kinds(s *detection.Session) (list []string) {
	for i := range s.Sheet.Calls {
		if what := detection.Asks(s.Sheet.Calls[i].Interface, s.Sheet.Calls[i].Operation); what != "" {
			list = append(list, what)
		}
	}
	for i := range s.Sheet.Searches {
		v := &s.Sheet.Searches[i]
		for _, k := range lookups {
			if strings.Contains(v.Filter, k.part) || strings.Contains(v.Attributes, k.part) {
				list = append(list, k.what)
			}
		}
	}
	return list
}

// listed weighs questions, and to how many machines they went.
func (d *Detector) listed(s *detection.Session, l *detection.Ledger) {
	list := kinds(s)
	if len(list) == 0 {
		return
	}
	c := d.client(s.Orig)
	if c == nil {
		return
	}
	for _, what := range list {
		put(c.asked, what)
	}
	if len(c.targets) < maxNames {
		c.targets[s.Resp] = true
	}
	llr := 0.8 * math.Log(float64(len(c.targets)))
	for _, what := range slices.Sorted(maps.Keys(c.asked)) {
		llr += max(telling[what], 0.2)
	}
	if llr < 1 {
		return
	}
	f := l.Finding(&discovery, s.Orig.String())
	involve(f, s)
	f.Set(detection.Evidence{Kind: "asked", LLR: min(llr, 4), UID: s.UID, T0: s.First, T1: s.Last,
		Claim: fmt.Sprintf("it asked %d machines for: %s", len(c.targets), strings.Join(slices.Sorted(maps.Keys(c.asked)), ", "))})
}
