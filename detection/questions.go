package detection

// questions are remote procedures that list what is there, by what they list.
var questions = map[string]map[string]string{
	"samr": {"SamrEnumerateUsersInDomain": "users", "SamrEnumerateGroupsInDomain": "groups", "SamrEnumerateAliasesInDomain": "groups", "SamrGetMembersInGroup": "members of groups",
		"SamrGetMembersInAlias": "members of groups", "SamrEnumerateDomainsInSamServer": "domains", "SamrQueryDisplayInformation": "users", "SamrQueryDisplayInformation3": "users",
		"SamrQueryInformationUser": "an account", "SamrQueryInformationUser2": "an account", "SamrLookupNamesInDomain": "names", "SamrGetGroupsForUser": "groups of an account"},
	"lsarpc": {"LsarEnumerateTrustedDomainsEx": "trusts", "LsarEnumerateAccounts": "accounts", "LsarLookupSids3": "names", "LsarLookupSids2": "names"},
	"srvsvc": {"NetrSessionEnum": "sessions", "NetrShareEnum": "shares", "NetrShareEnumAll": "shares", "NetrConnectionEnum": "connections", "NetrFileEnum": "open files", "NetrServerGetInfo": "the server"},
	"wkssvc": {"NetrWkstaUserEnum": "logged-on users", "NetrWkstaGetInfo": "the workstation"},
	"svcctl": {"OpenSCManagerW": "whether one may manage services", "OpenSCManagerA": "whether one may manage services", "OpenSCManager2": "whether one may manage services", "EnumDependentServicesW": "services",
		"EnumServicesStatusW": "services", "EnumServicesStatusExW": "services", "REnumServicesStatusW": "services"},
}

// Asks returns what a remote procedure lists, "" if it lists nothing.
func Asks(iface, operation string) string { return questions[iface][operation] }
