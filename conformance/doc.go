// Package conformance holds tyto against public captures and other programs.
//
// Its tests need a folder of captures, named by CAPTURES in the environment, and
// are skipped without it: "make conformance" and "make robust" run them. What
// they measured, and each disagreement judged, is in docs/conformance.md.
package conformance
