package radius

import "strconv"

func eapName(kind uint8) string {
	switch kind {
	case 1:
		return "EAP"
	case 3:
		return "EAP-NAK"
	case 4:
		return "EAP-MD5"
	case 6:
		return "EAP-GTC"
	case 13:
		return "EAP-TLS"
	case 17:
		return "LEAP"
	case 18:
		return "EAP-SIM"
	case 21:
		return "EAP-TTLS"
	case 23:
		return "EAP-AKA"
	case 25:
		return "PEAP"
	case 26:
		return "EAP-MSCHAPv2"
	case 43:
		return "EAP-FAST"
	case 50:
		return "EAP-AKA'"
	case 52:
		return "EAP-PWD"
	case 55:
		return "TEAP"
	}
	return "EAP-" + strconv.Itoa(int(kind))
}

func portTypeName(v uint32) string {
	switch v {
	case 0:
		return "Async"
	case 5:
		return "Virtual"
	case 15:
		return "Ethernet"
	case 16:
		return "xDSL"
	case 17:
		return "Cable"
	case 19:
		return "Wireless-802.11"
	case 32:
		return "PPPoA"
	case 33:
		return "PPPoEoA"
	}
	return "type-" + strconv.FormatUint(uint64(v), 10)
}

func acctStatusName(v uint32) string {
	switch v {
	case 1:
		return "Start"
	case 2:
		return "Stop"
	case 3:
		return "Interim-Update"
	case 7:
		return "Accounting-On"
	case 8:
		return "Accounting-Off"
	case 15:
		return "Failed"
	}
	return "status-" + strconv.FormatUint(uint64(v), 10)
}
