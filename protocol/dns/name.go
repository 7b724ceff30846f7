package dns

import "strconv"

// typeNames are the mnemonics of record types, as in Zeek's logs.
var typeNames = [...]string{
	1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR", 10: "NULL", 11: "WKS", 12: "PTR",
	13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB", 19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP",
	23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS", 28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NB",
	33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK", 41: "EDNS", 42: "APL",
	43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3",
	51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS",
	60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 66: "DSYNC", 99: "SPF",
	100: "DINFO", 101: "UID", 102: "GID", 103: "UNSPEC", 104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48",
	109: "EUI64", 128: "NXNAME", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "*",
	256: "URI", 257: "CAA", 258: "AVC", 259: "DOA", 260: "AMTRELAY", 261: "RESINFO",
}

// appendType appends the name of a record type, "query-N" for one without.
func appendType(b []byte, t uint16) []byte {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return append(b, typeNames[t]...)
	}
	switch t {
	case 32768:
		return append(b, "TA"...)
	case 32769:
		return append(b, "DLV"...)
	case 65281:
		return append(b, "WINS"...)
	case 65282:
		return append(b, "WINS-R"...)
	case typeBINDS:
		return append(b, "BINDS"...)
	}
	return strconv.AppendUint(append(b, "query-"...), uint64(t), 10)
}

// appendClass appends Zeek's name of a class, "qclass-N" for one without.
func appendClass(b []byte, c uint16) []byte {
	name := ""
	switch c {
	case 1:
		name = "C_INTERNET"
	case 2:
		name = "C_CSNET"
	case 3:
		name = "C_CHAOS"
	case 4:
		name = "C_HESIOD"
	case 254:
		name = "C_NONE"
	case 255:
		name = "C_ANY"
	default:
		return strconv.AppendUint(append(b, "qclass-"...), uint64(c), 10)
	}
	return append(b, name...)
}

var rcodeNames = [...]string{
	0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
	8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 12: "unassigned-12", 13: "unassigned-13",
	14: "unassigned-14", 15: "unassigned-15", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME",
	21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}

// appendRCode appends the name of a response code.
func appendRCode(b []byte, c uint16) []byte {
	if int(c) < len(rcodeNames) {
		return append(b, rcodeNames[c]...)
	}
	return strconv.AppendUint(append(b, "rcode-"...), uint64(c), 10)
}

var opcodeNames = [16]string{1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}

// Operation codes of the NetBIOS name service (RFC 1002 section 4.2.1.1).
var netbiosOpcodeNames = [16]string{5: "REGISTRATION", 6: "RELEASE", 7: "WACK", 8: "REFRESH", 9: "REFRESH",
	15: "MULTIHOMED_REGISTRATION"}
