package ldap

import (
	"strconv"

	"tyto/internal/ber"
)

func scopeName(n uint8) string {
	switch n {
	case 0:
		return "base"
	case 1:
		return "single"
	case 2:
		return "tree"
	case 3:
		return "subordinate"
	}
	return "unknown"
}

func derefName(n uint8) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "searching"
	case 2:
		return "finding"
	case 3:
		return "always"
	}
	return "unknown"
}

// opName names the operation that a response without a request is the result of.
func opName(response ber.Tag) string {
	switch response {
	case opBindResp:
		return "bind"
	case opModifyResp:
		return "modify"
	case opAddResp:
		return "add"
	case opDeleteResp:
		return "delete"
	case opModDNResp:
		return "modify DN"
	case opCompareResp:
		return "compare"
	case opExtResp:
		return "extended"
	}
	return ""
}

// extendedName returns the name of an extended operation, or its identifier.
func extendedName(oid []byte) string {
	switch string(oid) {
	case "1.3.6.1.4.1.1466.20037":
		return "StartTLS"
	case "1.3.6.1.4.1.4203.1.11.1":
		return "modify password"
	case "1.3.6.1.4.1.4203.1.11.3":
		return "whoami"
	case "1.3.6.1.1.8":
		return "cancel"
	case "1.3.6.1.4.1.1466.20036":
		return "notice of disconnection"
	case "1.2.840.113556.1.4.1781":
		return "fast bind"
	}
	return text(oid)
}

// resultNames has the result codes in words (RFC 4511 section 4.1.9).
var resultNames = [...]string{
	0:  "success",
	1:  "operations error",
	2:  "protocol error",
	3:  "time limit exceeded",
	4:  "size limit exceeded",
	5:  "compare false",
	6:  "compare true",
	7:  "auth method not supported",
	8:  "stronger auth required",
	9:  "partial results",
	10: "referral",
	11: "admin limit exceeded",
	12: "unavailable critical extension",
	13: "confidentiality required",
	14: "SASL bind in progress",
	16: "no such attribute",
	17: "undefined attribute type",
	18: "inappropriate matching",
	19: "constraint violation",
	20: "attribute or value exists",
	21: "invalid attribute syntax",
	32: "no such object",
	33: "alias problem",
	34: "invalid DN syntax",
	36: "alias dereferencing problem",
	48: "inappropriate authentication",
	49: "invalid credentials",
	50: "insufficient access rights",
	51: "busy",
	52: "unavailable",
	53: "unwilling to perform",
	54: "loop detect",
	60: "sort control missing",
	61: "offset range error",
	64: "naming violation",
	65: "object class violation",
	66: "not allowed on non-leaf",
	67: "not allowed on RDN",
	68: "entry already exists",
	69: "object class mods prohibited",
	70: "results too large",
	71: "affects multiple DSAs",
	76: "control error",
	80: "other",
}

func resultName(code int32) string {
	if code >= 0 && int(code) < len(resultNames) && resultNames[code] != "" {
		return resultNames[code]
	}
	return "result " + strconv.Itoa(int(code))
}
