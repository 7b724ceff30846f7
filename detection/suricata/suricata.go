// Package suricata takes what Suricata says as evidence: the alerts of an eve.json
// ([Alerts]), matched to sessions, and the rules themselves, as far as records
// and the first bytes of streams tell what they ask for ([Rules]).
package suricata

import (
	"strings"

	"tyto/detection"
	"tyto/packet"
	"tyto/session"
)

// Definitions are the definitions of this package. Each signature has one of its
// own besides, with its own title and techniques.
var Definitions = []*detection.Definition{&alertRule, &ruleRule}

var alertRule = detection.Definition{
	ID: "suricata-alert", Title: "Suricata raised an alert on a session", Severity: detection.Medium,
	Doc: "An alert of an eve.json that was given with --eve belongs to a session here, by Community ID or addresses, ports, protocol and time. " +
		"How much it says depends on the severity that the signature's author gave it and on how sure he says he is; alerts of one signature on one device count less and less.",
	Techniques: []string{"T1071", "T1190"},
	Twin:       "Policy and information signatures, and alerts on whatever scanners send: they have a low severity, and traffic that was dropped or not answered is an attempt.",
}

var ruleRule = detection.Definition{
	ID: "suricata-rule", Title: "A session matches a rule of Suricata", Severity: detection.Medium,
	Doc: "A rule that was loaded with --rules matches what protocols say in a session, or the first bytes of its streams. " +
		"The keywords that are evaluated are listed in docs/intel.md; rules with others are not used, and told. How much a match says depends on the rule's priority and the confidence it states.",
	Techniques: []string{"T1071", "T1190"},
	Twin:       "The same bytes on another port, in the other direction, or in a session that was never established, and less often than a threshold says.",
}

// severities of alerts, by number: 1 is the highest.
var severities = [...]struct {
	llr float64
	as  detection.Severity
}{1: {3.5, detection.High}, 2: {2, detection.Medium}, 3: {0.7, detection.Low}, 4: {0.3, detection.Low}}

// weight returns what a signature says, in nats: by its severity, or what its
// metadata tell of it, which is more exact, times how sure its author says he is.
func weight(severity int, metadata func(string) string) (float64, detection.Severity) {
	if severity < 1 || severity >= len(severities) {
		severity = 4
	}
	v := severities[severity]
	switch strings.ToLower(metadata("signature_severity")) {
	case "critical":
		v.llr, v.as = 4.5, detection.Critical
	case "major":
		v.llr, v.as = 3.5, detection.High
	case "minor":
		v.llr, v.as = 1.5, detection.Medium
	case "informational", "audit":
		v.llr, v.as = 0.3, detection.Low
	}
	switch strings.ToLower(metadata("confidence")) {
	case "high":
		v.llr *= 1.25
	case "low":
		v.llr *= 0.5
	}
	return v.llr, v.as
}

// technique reads an ATT&CK identifier, "" if it is none: T1071, T1071_001.
func technique(s string) string {
	s = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), "_", "."))
	whole, sub, dotted := strings.Cut(s, ".")
	if len(whole) != 5 || whole[0] != 'T' || strings.Trim(whole[1:], "0123456789") != "" || dotted && (len(sub) != 3 || strings.Trim(sub, "0123456789") != "") {
		return ""
	}
	return s
}

// involve notes whom a finding is about: the device at home first.
func involve(f *detection.Finding, home [2]bool, orig, resp detection.Party) packet.Addr {
	switch {
	case home[session.Orig] || !home[session.Resp]:
		f.Host(orig.Addr)
		if home[session.Resp] {
			f.Host(resp.Addr)
		} else {
			f.Outside = resp
		}
		return orig.Addr
	default:
		f.Host(resp.Addr)
		f.Outside = orig
		return resp.Addr
	}
}

// device is who involve puts first.
func device(s *detection.Session) packet.Addr {
	if s.Home[session.Orig] || !s.Home[session.Resp] {
		return s.Orig
	}
	return s.Resp
}
