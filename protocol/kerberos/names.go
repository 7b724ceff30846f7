package kerberos

import "strconv"

// etypeName returns the name of an encryption type; it is empty for 0.
func etypeName(t int32) string {
	switch t {
	case 0:
		return ""
	case 1:
		return "des-cbc-crc"
	case 2:
		return "des-cbc-md4"
	case 3:
		return "des-cbc-md5"
	case 5:
		return "des3-cbc-md5"
	case 7:
		return "des3-cbc-sha1"
	case 9:
		return "dsaWithSHA1-CmsOID"
	case 10:
		return "md5WithRSAEncryption-CmsOID"
	case 11:
		return "sha1WithRSAEncryption-CmsOID"
	case 12:
		return "rc2CBC-EnvOID"
	case 13:
		return "rsaEncryption-EnvOID"
	case 14:
		return "rsaES-OAEP-ENV-OID"
	case 15:
		return "des-ede3-cbc-Env-OID"
	case 16:
		return "des3-cbc-sha1-kd"
	case 17:
		return "aes128-cts-hmac-sha1-96"
	case 18:
		return "aes256-cts-hmac-sha1-96"
	case 19:
		return "aes128-cts-hmac-sha256-128"
	case 20:
		return "aes256-cts-hmac-sha384-192"
	case 23:
		return "rc4-hmac"
	case 24:
		return "rc4-hmac-exp"
	case 25:
		return "camellia128-cts-cmac"
	case 26:
		return "camellia256-cts-cmac"
	case 65:
		return "subkey-keymaterial"
	case -128:
		return "rc4-md4"
	case -133:
		return "rc4-hmac-old"
	case -135:
		return "rc4-hmac-old-exp"
	}
	return "etype-" + strconv.Itoa(int(t))
}

func padataName(t int32) string {
	switch t {
	case paTGSREQ:
		return "PA-TGS-REQ"
	case paEncTimestamp:
		return "PA-ENC-TIMESTAMP"
	case 3:
		return "PA-PW-SALT"
	case 11:
		return "PA-ETYPE-INFO"
	case paPKASREQOld:
		return "PA-PK-AS-REQ-OLD"
	case paPKASREQ:
		return "PA-PK-AS-REQ"
	case paPKASREP:
		return "PA-PK-AS-REP"
	case 19:
		return "PA-ETYPE-INFO2"
	case 128:
		return "PA-PAC-REQUEST"
	case paForUser:
		return "PA-FOR-USER"
	case 130:
		return "PA-FOR-X509-USER"
	case 132:
		return "PA-AS-CHECKSUM"
	case 133:
		return "PA-FX-COOKIE"
	case paFXFast:
		return "PA-FX-FAST"
	case 137:
		return "PA-FX-ERROR"
	case paEncryptedChallenge:
		return "PA-ENCRYPTED-CHALLENGE"
	case 149:
		return "PA-REQ-ENC-PA-REP"
	case 150:
		return "PA-AS-FRESHNESS"
	case 151:
		return "PA-SPAKE"
	case 161:
		return "PA-KERB-KEY-LIST-REQ"
	case 165:
		return "PA-SUPPORTED-ETYPES"
	case 166:
		return "PA-EXTENDED-ERROR"
	case 167:
		return "PA-PAC-OPTIONS"
	}
	return "PA-" + strconv.Itoa(int(t))
}

// errorNames has the names of error codes (RFC 4120 section 7.5.9, RFC 4556
// section 3.1.3).
var errorNames = [...]string{
	0:  "KDC_ERR_NONE",
	1:  "KDC_ERR_NAME_EXP",
	2:  "KDC_ERR_SERVICE_EXP",
	3:  "KDC_ERR_BAD_PVNO",
	4:  "KDC_ERR_C_OLD_MAST_KVNO",
	5:  "KDC_ERR_S_OLD_MAST_KVNO",
	6:  "KDC_ERR_C_PRINCIPAL_UNKNOWN",
	7:  "KDC_ERR_S_PRINCIPAL_UNKNOWN",
	8:  "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
	9:  "KDC_ERR_NULL_KEY",
	10: "KDC_ERR_CANNOT_POSTDATE",
	11: "KDC_ERR_NEVER_VALID",
	12: "KDC_ERR_POLICY",
	13: "KDC_ERR_BADOPTION",
	14: "KDC_ERR_ETYPE_NOSUPP",
	15: "KDC_ERR_SUMTYPE_NOSUPP",
	16: "KDC_ERR_PADATA_TYPE_NOSUPP",
	17: "KDC_ERR_TRTYPE_NOSUPP",
	18: "KDC_ERR_CLIENT_REVOKED",
	19: "KDC_ERR_SERVICE_REVOKED",
	20: "KDC_ERR_TGT_REVOKED",
	21: "KDC_ERR_CLIENT_NOTYET",
	22: "KDC_ERR_SERVICE_NOTYET",
	23: "KDC_ERR_KEY_EXPIRED",
	24: "KDC_ERR_PREAUTH_FAILED",
	25: "KDC_ERR_PREAUTH_REQUIRED",
	26: "KDC_ERR_SERVER_NOMATCH",
	27: "KDC_ERR_MUST_USE_USER2USER",
	28: "KDC_ERR_PATH_NOT_ACCEPTED",
	29: "KDC_ERR_SVC_UNAVAILABLE",
	31: "KRB_AP_ERR_BAD_INTEGRITY",
	32: "KRB_AP_ERR_TKT_EXPIRED",
	33: "KRB_AP_ERR_TKT_NYV",
	34: "KRB_AP_ERR_REPEAT",
	35: "KRB_AP_ERR_NOT_US",
	36: "KRB_AP_ERR_BADMATCH",
	37: "KRB_AP_ERR_SKEW",
	38: "KRB_AP_ERR_BADADDR",
	39: "KRB_AP_ERR_BADVERSION",
	40: "KRB_AP_ERR_MSG_TYPE",
	41: "KRB_AP_ERR_MODIFIED",
	42: "KRB_AP_ERR_BADORDER",
	44: "KRB_AP_ERR_BADKEYVER",
	45: "KRB_AP_ERR_NOKEY",
	46: "KRB_AP_ERR_MUT_FAIL",
	47: "KRB_AP_ERR_BADDIRECTION",
	48: "KRB_AP_ERR_METHOD",
	49: "KRB_AP_ERR_BADSEQ",
	50: "KRB_AP_ERR_INAPP_CKSUM",
	51: "KRB_AP_PATH_NOT_ACCEPTED",
	52: "KRB_ERR_RESPONSE_TOO_BIG",
	60: "KRB_ERR_GENERIC",
	61: "KRB_ERR_FIELD_TOOLONG",
	62: "KDC_ERROR_CLIENT_NOT_TRUSTED",
	63: "KDC_ERROR_KDC_NOT_TRUSTED",
	64: "KDC_ERROR_INVALID_SIG",
	65: "KDC_ERR_KEY_TOO_WEAK",
	66: "KDC_ERR_CERTIFICATE_MISMATCH",
	67: "KRB_AP_ERR_NO_TGT",
	68: "KDC_ERR_WRONG_REALM",
	69: "KRB_AP_ERR_USER_TO_USER_REQUIRED",
	70: "KDC_ERR_CANT_VERIFY_CERTIFICATE",
	71: "KDC_ERR_INVALID_CERTIFICATE",
	72: "KDC_ERR_REVOKED_CERTIFICATE",
	73: "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
	74: "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE",
	75: "KDC_ERR_CLIENT_NAME_MISMATCH",
	76: "KDC_ERR_KDC_NAME_MISMATCH",
	93: "KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS",
}

func errorName(code int32) string {
	if code >= 0 && int(code) < len(errorNames) && errorNames[code] != "" {
		return errorNames[code]
	}
	return "KRB_ERR_" + strconv.Itoa(int(code))
}
