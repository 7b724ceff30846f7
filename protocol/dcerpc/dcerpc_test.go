package dcerpc

import (
	"slices"
	"strings"
	"testing"

	"tyto/internal/flowtest"
	"tyto/packet"
	"tyto/protocol/ntlm"
)

func TestGolden(t *testing.T) { flowtest.Golden(t, Definition, ntlm.Definition, ntlm.GSSAPI) }

func FuzzAnalyzer(f *testing.F) {
	flowtest.Fuzz(f, packet.ProtoTCP, 135, Definition, ntlm.Definition, ntlm.GSSAPI)
}

func FuzzDatagram(f *testing.F) { flowtest.Fuzz(f, packet.ProtoUDP, 135, Definition) }

func TestTable(t *testing.T) {
	table := interfaces()
	for i := range table {
		if i > 0 && table[i].UUID == table[i-1].UUID {
			t.Errorf("%s is there twice", table[i].UUID)
		}
		if Lookup(table[i].UUID) != &table[i] {
			t.Errorf("%s is not found", table[i].UUID)
		}
	}
	for _, tt := range []struct {
		name  string
		opnum uint16
		want  string
	}{
		{"svcctl", 12, "CreateServiceW"},
		{"svcctl", 19, "StartServiceW"},
		{"svcctl", 45, "CreateServiceWOW64W"},
		{"svcctl", 60, "CreateWowService"},
		{"svcctl", 64, "OpenSCManager2"},
		{"atsvc", 0, "NetrJobAdd"},
		{"ITaskSchedulerService", 1, "SchRpcRegisterTask"},
		{"ITaskSchedulerService", 19, "SchRpcEnableTask"},
		{"drsuapi", 3, "DRSGetNCChanges"},
		{"samr", 64, "SamrConnect5"},
		{"samr", 74, "SamrValidateComputerAccountReuseAttempt"},
		{"lsarpc", 77, "LsarLookupNames4"},
		{"lsarpc", 130, "LsarOpenPolicy3"},
		{"srvsvc", 15, "NetrShareEnum"},
		{"srvsvc", 57, "NetrShareDelEx"},
		{"wkssvc", 30, "NetrEnumerateComputerNames"},
		{"winreg", 22, "BaseRegSetValue"},
		{"winreg", 35, "BaseRegDeleteKeyEx"},
		{"eventlog", 12, "ElfrClearELFA"},
		{"IEventService", 6, "EvtRpcClearLog"},
		{"spoolss", 46, "RpcAddMonitor"},
		{"spoolss", 65, "RpcRemoteFindFirstPrinterChangeNotificationEx"},
		{"spoolss", 89, "RpcAddPrinterDriverEx"},
		{"spoolss", 104, "RpcGetPrinterDriverPackagePath"},
		{"IRemoteWinspool", 39, "RpcAsyncAddPrinterDriver"},
		{"IRemoteWinspool", 74, "RpcAsyncLogJobInfoForBranchOffice"},
		{"netlogon", 26, "NetrServerAuthenticate3"},
		{"netlogon", 30, "NetrServerPasswordSet2"},
		{"netlogon", 48, "DsrUpdateReadOnlyServerDnsRecords"},
		{"efsrpc", 0, "EfsRpcOpenFileRaw"},
		{"efsrpc", 22, "EfsRpcQueryProtectors"},
		{"netdfs", 12, "NetrDfsAddStdRoot"},
		{"FileServerVssAgent", 8, "IsPathSupported"},
		{"IWbemServices", 24, "ExecMethod"},
		{"IWbemServices", 25, "ExecMethodAsync"},
		{"IRemoteSCMActivator", 4, "RemoteCreateInstance"},
		{"IObjectExporter", 5, "ServerAlive2"},
		{"IDispatch", 6, "Invoke"},
		{"winstation_rpc", 15, "RpcWinStationShutdownSystem"},
		{"pnp", 74, "PNP_DeleteServiceDevices"},
		{"epmapper", 3, "ept_map"},
		{"svcctl", 55, ""},
		{"svcctl", 999, ""},
	} {
		i := ByName(tt.name)
		if i == nil {
			t.Errorf("no interface %s", tt.name)
			continue
		}
		if got := i.Operation(tt.opnum); got != tt.want {
			t.Errorf("%s %d = %q, want %q", tt.name, tt.opnum, got, tt.want)
		}
	}
	if i := ByName("samr"); i.tells(58) || !i.tells(17) {
		t.Error("samr: arguments of SamrSetInformationUser2 must not be told, those of SamrLookupNamesInDomain must")
	}
}

func TestUUIDText(t *testing.T) {
	const text = "367abb81-9844-35f1-ad32-98f038001003"
	u, ok := parseUUID(text)
	if !ok || u.String() != text {
		t.Errorf("got %v, %s", ok, u)
	}
	for _, bad := range []string{"", text[1:], strings.Replace(text, "-", "_", 1), strings.Replace(text, "3", "g", 1)} {
		if _, ok := parseUUID(bad); ok {
			t.Errorf("%q passes for a UUID", bad)
		}
	}
}

func TestArguments(t *testing.T) {
	wide := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			b.WriteByte(s[i])
			b.WriteByte(0)
		}
		return b.String()
	}
	tests := []struct {
		name, stub string
		want       []string
	}{
		{"array of NDR", "\x04\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00" + wide("abc\x00"), []string{"abc"}},
		{"without its zero", "\x04\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00" + wide("abc"), []string{"abc"}},
		{"bytes", "\x05\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00abcd\x00", []string{"abcd"}},
		{"block of words", "\x03\x00\x00\x00\x06\x00\x00\x00\x03\x00\x00\x00" + wide("abc"), []string{"abc"}},
		{"NDR64", "\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00" + wide("abc\x00"), []string{"abc"}},
		{"cut off", "\x40\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00" + wide("abc"), []string{"abc"}},
		{"lengths differ", "\x09\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00" + wide("abc"), nil},
		{"no text", "\x04\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00" + wide("\x01\x02\x03\x00"), nil},
		{"zeros", strings.Repeat("\x00", 64), nil},
		{"short", "\x04", nil},
	}
	for _, tt := range tests {
		if got, _ := appendArgs(nil, []byte(tt.stub), false); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	b := []byte("\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00")
	if n := testing.AllocsPerRun(100, func() { plausible(b) }); n != 0 {
		t.Errorf("plausible allocates %v times", n)
	}
}
