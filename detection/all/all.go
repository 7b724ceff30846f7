// Package all is the list of all rules and detectors.
package all

import (
	"tyto/detection"
	"tyto/detection/beacon"
	"tyto/detection/credential"
	"tyto/detection/dga"
	"tyto/detection/dnstunnel"
	"tyto/detection/exfil"
	"tyto/detection/lateral"
	"tyto/detection/remoteexec"
	"tyto/detection/reverseshell"
	"tyto/detection/scan"
)

// Definitions returns the definitions of all rules.
func Definitions() (list []*detection.Definition) {
	for _, rules := range [][]*detection.Definition{scan.Rules, credential.Rules, reverseshell.Rules, beacon.Rules, dnstunnel.Rules, dga.Rules, exfil.Rules, remoteexec.Rules, lateral.Rules} {
		list = append(list, rules...)
	}
	return list
}

// Detectors makes one of each detector, in the order in which they finish: those
// that use what others found come last.
func Detectors() []detection.Detector {
	return []detection.Detector{scan.New(), credential.New(), reverseshell.New(), beacon.New(), dnstunnel.New(), dga.New(), exfil.New(), remoteexec.New(), lateral.New()}
}
