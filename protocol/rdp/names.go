package rdp

import "strconv"

// protocolName names a security protocol (MS-RDPBCGR section 2.2.1.2.1).
func protocolName(v uint32) string {
	switch v {
	case 0:
		return "RDP"
	case 1:
		return "SSL"
	case 2:
		return "HYBRID"
	case 4:
		return "RDSTLS"
	case 8:
		return "HYBRID_EX"
	case 16:
		return "RDSAAD"
	}
	return "protocol-" + strconv.FormatUint(uint64(v), 10)
}

// protocolNames names the security protocols of a set of flags.
func protocolNames(v uint32) []string {
	if v == 0 {
		return []string{"RDP"}
	}
	var names []string
	for bit := uint32(1); bit <= 16; bit <<= 1 {
		if v&bit != 0 {
			names = append(names, protocolName(bit))
		}
	}
	if rest := v &^ 31; rest != 0 {
		names = append(names, protocolName(rest))
	}
	return names
}

func failureName(v uint32) string {
	switch v {
	case 1:
		return "SSL_REQUIRED_BY_SERVER"
	case 2:
		return "SSL_NOT_ALLOWED_BY_SERVER"
	case 3:
		return "SSL_CERT_NOT_ON_SERVER"
	case 4:
		return "INCONSISTENT_FLAGS"
	case 5:
		return "HYBRID_REQUIRED_BY_SERVER"
	case 6:
		return "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER"
	}
	return "failure-" + strconv.FormatUint(uint64(v), 10)
}

// mcsResult names the result of an MCS connection (T.125), with Zeek's words
// for those of GCC.
func mcsResult(v uint64) string {
	switch v {
	case 0:
		return "Success"
	case 1:
		return "Domain merging"
	case 2:
		return "Domain not hierarchical"
	case 3:
		return "No such channel"
	case 14:
		return "Unspecified failure"
	case 15:
		return "User rejected"
	}
	return "result-" + strconv.FormatUint(v, 10)
}

func levelName(v uint32) string {
	switch v {
	case 0:
		return "None"
	case 1:
		return "Low"
	case 2:
		return "Client compatible"
	case 3:
		return "High"
	case 4:
		return "FIPS"
	}
	return "encryption_level-" + strconv.FormatUint(uint64(v), 10)
}

func methodName(v uint32) string {
	switch v {
	case 0:
		return "None"
	case 1:
		return "40bit"
	case 2:
		return "128bit"
	case 8:
		return "56bit"
	case 16:
		return "FIPS"
	}
	return "encryption_method-" + strconv.FormatUint(uint64(v), 10)
}

// colorName names a color depth of the basic color depth fields.
func colorName(v uint16) string {
	switch v {
	case 0xca00:
		return "4bit"
	case 0xca01:
		return "8bit"
	case 0xca02:
		return "15bit"
	case 0xca03:
		return "16bit"
	case 0xca04:
		return "24bit"
	}
	return "depth-" + strconv.FormatUint(uint64(v), 10)
}

func highColorName(v uint16) string {
	switch v {
	case 4, 8, 15, 16, 24:
		return strconv.FormatUint(uint64(v), 10) + "bit"
	}
	return "depth-" + strconv.FormatUint(uint64(v), 10)
}

// buildName names the version of Microsoft's client that a build number is of.
func buildName(v uint32) string {
	switch v {
	case 419:
		return "RDP 4.0"
	case 2195, 2221:
		return "RDP 5.0"
	case 2600:
		return "RDP 5.1"
	case 3790:
		return "RDP 5.2"
	case 6000:
		return "RDP 6.0"
	case 6001:
		return "RDP 6.1"
	case 6002:
		return "RDP 6.2"
	case 7600:
		return "RDP 7.0"
	case 7601:
		return "RDP 7.1"
	case 9200:
		return "RDP 8.0"
	case 9600:
		return "RDP 8.1"
	case 25189, 25282:
		return "RDP 8.0 (Mac)"
	}
	if v >= 10240 && v < 30000 {
		return "RDP 10 (build " + strconv.FormatUint(uint64(v), 10) + ")"
	}
	return "client_build-" + strconv.FormatUint(uint64(v), 10)
}

// layoutName names the language of a keyboard layout by its identifier, whose
// lower half is a language identifier (MS-LCID).
func layoutName(v uint32) string {
	switch v & 0xffff {
	case 0x0401:
		return "Arabic - Saudi Arabia"
	case 0x0402:
		return "Bulgarian"
	case 0x0404:
		return "Chinese - Taiwan"
	case 0x0405:
		return "Czech"
	case 0x0406:
		return "Danish"
	case 0x0407:
		return "German - Germany"
	case 0x0408:
		return "Greek"
	case 0x0409:
		return "English - United States"
	case 0x040a:
		return "Spanish - Spain (Traditional Sort)"
	case 0x040b:
		return "Finnish"
	case 0x040c:
		return "French - France"
	case 0x040d:
		return "Hebrew"
	case 0x040e:
		return "Hungarian"
	case 0x040f:
		return "Icelandic"
	case 0x0410:
		return "Italian - Italy"
	case 0x0411:
		return "Japanese"
	case 0x0412:
		return "Korean"
	case 0x0413:
		return "Dutch - Netherlands"
	case 0x0414:
		return "Norwegian (Bokmal)"
	case 0x0415:
		return "Polish"
	case 0x0416:
		return "Portuguese - Brazil"
	case 0x0418:
		return "Romanian"
	case 0x0419:
		return "Russian"
	case 0x041a:
		return "Croatian"
	case 0x041b:
		return "Slovak"
	case 0x041d:
		return "Swedish"
	case 0x041e:
		return "Thai"
	case 0x041f:
		return "Turkish"
	case 0x0420:
		return "Urdu"
	case 0x0421:
		return "Indonesian"
	case 0x0422:
		return "Ukrainian"
	case 0x0423:
		return "Belarusian"
	case 0x0424:
		return "Slovenian"
	case 0x0425:
		return "Estonian"
	case 0x0426:
		return "Latvian"
	case 0x0427:
		return "Lithuanian"
	case 0x0429:
		return "Farsi"
	case 0x042a:
		return "Vietnamese"
	case 0x042b:
		return "Armenian"
	case 0x0439:
		return "Hindi"
	case 0x043f:
		return "Kazakh"
	case 0x0804:
		return "Chinese - PRC"
	case 0x0807:
		return "German - Switzerland"
	case 0x0809:
		return "English - United Kingdom"
	case 0x080a:
		return "Spanish - Mexico"
	case 0x080c:
		return "French - Belgium"
	case 0x0813:
		return "Dutch - Belgium"
	case 0x0814:
		return "Norwegian (Nynorsk)"
	case 0x0816:
		return "Portuguese - Portugal"
	case 0x0c04:
		return "Chinese - Hong Kong SAR"
	case 0x0c07:
		return "German - Austria"
	case 0x0c09:
		return "English - Australia"
	case 0x0c0a:
		return "Spanish - Spain (Modern Sort)"
	case 0x0c0c:
		return "French - Canada"
	case 0x1009:
		return "English - Canada"
	case 0x100c:
		return "French - Switzerland"
	case 0x1409:
		return "English - New Zealand"
	case 0x1809:
		return "English - Ireland"
	case 0x4009:
		return "English - India"
	}
	return "keyboard-" + strconv.FormatUint(uint64(v), 10)
}
