// Package all is the list of all rules and detectors.
package all

import (
	"tyto/detection"
	"tyto/detection/beacon"
	"tyto/detection/credential"
	"tyto/detection/dga"
	"tyto/detection/dnstunnel"
	"tyto/detection/exfil"
	"tyto/detection/indicator"
	"tyto/detection/lateral"
	"tyto/detection/remoteexec"
	"tyto/detection/reverseshell"
	"tyto/detection/scan"
	"tyto/detection/sigma"
	"tyto/detection/suricata"
)

// Definitions returns the definitions of all rules, those of lists and rules that
// are loaded included.
func Definitions() (list []*detection.Definition) {
	for _, rules := range [][]*detection.Definition{scan.Rules, credential.Rules, reverseshell.Rules, beacon.Rules, dnstunnel.Rules, dga.Rules, exfil.Rules, remoteexec.Rules, lateral.Rules,
		indicator.Rules, suricata.Definitions, sigma.Rules} {
		list = append(list, rules...)
	}
	return list
}

// Detectors makes one of each detector, in the order in which they finish: those
// that use what others found come last.
func Detectors() []detection.Detector {
	return []detection.Detector{scan.New(), credential.New(), reverseshell.New(), beacon.New(), dnstunnel.New(), dga.New(), exfil.New(), remoteexec.New(), lateral.New()}
}
