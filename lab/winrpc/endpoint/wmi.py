"""WMI's interfaces (MS-WMI): the login, and the services of a namespace with
the class Win32_Process, whose method Create runs a command."""
import re

from impacket.dcerpc.v5.dcom import wmi
from impacket.dcerpc.v5.dcomrt import OBJREF_CUSTOM
from impacket.dcerpc.v5.dtypes import NULL

import wmio
from rpc import Interface

WHERE = "ROOT\\CIMV2"
NOT_FOUND = 0x80041002
_NAMES = """Caption:8 CommandLine:8 CreationClassName:8 CreationDate:101 CSCreationClassName:8 CSName:8 Description:8 ExecutablePath:8 ExecutionState:18 Handle:8
HandleCount:19 InstallDate:101 KernelModeTime:21 MaximumWorkingSetSize:19 MinimumWorkingSetSize:19 Name:8 OSCreationClassName:8 OSName:8 OtherOperationCount:21
OtherTransferCount:21 PageFaults:19 PageFileUsage:19 ParentProcessId:19 PeakPageFileUsage:19 PeakVirtualSize:21 PeakWorkingSetSize:19 Priority:19 PrivatePageCount:21
ProcessId:19 QuotaNonPagedPoolUsage:19 QuotaPagedPoolUsage:19 QuotaPeakNonPagedPoolUsage:19 QuotaPeakPagedPoolUsage:19 ReadOperationCount:21 ReadTransferCount:21
SessionId:19 Status:8 TerminationDate:101 ThreadCount:19 UserModeTime:21 VirtualSize:21 WindowsVersion:8 WorkingSetSize:21 WriteOperationCount:21 WriteTransferCount:21"""
PROPERTIES = [(n, int(k), [("read", True), ("MappingStrings", f"WMI|{n}")] + ([(wmio.KEY, True)] if n == "Handle" else [])) for n, k in (p.split(":") for p in _NAMES.split())]
RETURN = [("ReturnValue", wmio.UINT32)]
METHODS = [
    ("Create", [("CommandLine", wmio.STRING), ("CurrentDirectory", wmio.STRING), ("ProcessStartupInformation", wmio.OBJECT)], [("ProcessId", wmio.UINT32), *RETURN]),
    ("Terminate", [("Reason", wmio.UINT32)], RETURN), ("GetOwner", None, [("Domain", wmio.STRING), ("User", wmio.STRING), *RETURN]),
    ("GetOwnerSid", None, [("Sid", wmio.STRING), *RETURN]), ("SetPriority", [("Priority", wmio.UINT32)], RETURN), ("AttachDebugger", None, RETURN),
    ("GetAvailableVirtualSize", None, [("AvailableVirtualSize", wmio.UINT64), *RETURN]),
]
PARENTS = ("CIM_Process", "CIM_LogicalElement", "CIM_ManagedSystemElement")


class Wmi:
    """The interfaces; objects is where references are made (dcom.py)."""

    def __init__(self, machine, objects):
        self.machine, self.objects, self.enumerations = machine, objects, {}

    def interfaces(self):
        return [
            Interface(wmi.IID_IWbemLevel1Login, "IWbemLevel1Login", {3: (wmi.IWbemLevel1Login_EstablishPosition, self.position), 6: (wmi.IWbemLevel1Login_NTLMLogin, self.login)}),
            Interface(wmi.IID_IWbemServices, "IWbemServices", {6: (wmi.IWbemServices_GetObject, self.get), 20: (wmi.IWbemServices_ExecQuery, self.query), 24: (wmi.IWbemServices_ExecMethod, self.method)}),
            Interface(wmi.IID_IEnumWbemClassObject, "IEnumWbemClassObject", {4: (wmi.IEnumWbemClassObject_Next, self.next)}),
        ]

    def position(self, request, call):
        response = self.objects.answer(wmi.IWbemLevel1Login_EstablishPositionResponse)
        response["LocaleVersion"], response["ErrorCode"] = 0, 0
        return response

    def login(self, request, call):
        response = self.objects.answer(wmi.IWbemLevel1Login_NTLMLoginResponse)
        self.objects.point(response["ppNamespace"], self.objects.reference(wmi.IID_IWbemServices, "services"))
        response["ErrorCode"] = 0
        return response

    def custom(self, block):
        """A reference to an object that is sent whole."""
        data = OBJREF_CUSTOM()
        data["iid"], data["clsid"], data["cbExtension"] = wmi.IID_IWbemClassObject[:-4], wmi.CLSID_WbemClassObject, 0
        unit = wmio.unit(block)
        data["ObjectReferenceSize"], data["pObjectData"] = len(unit), unit
        return data.getData()

    def get(self, request, call):
        response = self.objects.answer(wmi.IWbemServices_GetObjectResponse)
        response["ppCallResult"], response["ErrorCode"] = NULL, 0
        if request["strObjectPath"]["asData"].rstrip("\0").lower() != "win32_process":
            response["ppObject"], response["ErrorCode"] = NULL, NOT_FOUND
            return response
        part = wmio.class_part("Win32_Process", PARENTS, PROPERTIES, [("dynamic", True), ("provider", "CIMWin32"), ("UUID", "{8502C4DC-5FBB-11D2-AAC1-006008C78BC7}")])
        block = wmio.class_block(part, wmio.methods_part(METHODS), (self.machine.name, WHERE))
        self.objects.point(response["ppObject"], self.custom(block))
        return response

    def method(self, request, call):
        response = self.objects.answer(wmi.IWbemServices_ExecMethodResponse)
        unit = wmi.ENCODING_UNIT(OBJREF_CUSTOM(b"".join(request["pInParams"]["abData"]))["pObjectData"])
        unit["ObjectBlock"].parseObject()
        values = unit["ObjectBlock"].ctCurrent["properties"]
        line, directory = values["CommandLine"]["value"].rstrip("\0"), values["CurrentDirectory"]["value"]
        account = call.connection.auth.user
        self.objects.run(line, account, (directory or "C:\\").rstrip("\0"))
        number = 4 * self.machine.random.randrange(300, 3000)
        properties = [(n, k, [("ID", str(i + 3))]) for i, (n, k) in enumerate(METHODS[0][2])]
        block = wmio.instance_block("__PARAMETERS", properties, {"ProcessId": number, "ReturnValue": 0}, (self.machine.name, WHERE))
        self.objects.point(response["ppOutParams"], self.custom(block))
        response["ppCallResult"], response["ErrorCode"] = NULL, 0
        return response

    def query(self, request, call):
        """Processes are all that can be asked for."""
        response = self.objects.answer(wmi.IWbemServices_ExecQueryResponse)
        asked = re.search(r"from\s+(\w+)", request["strQuery"]["asData"], re.I)
        if not asked or asked[1].lower() != "win32_process":
            response["ppEnum"], response["ErrorCode"] = NULL, NOT_FOUND
            return response
        reference = self.objects.reference(wmi.IID_IEnumWbemClassObject, "enumeration")
        self.enumerations[self.objects.last] = list(self.machine.processes)
        self.objects.point(response["ppEnum"], reference)
        response["ErrorCode"] = 0
        return response

    def next(self, request, call):
        left = self.enumerations.get(call.object, [])
        count = request["uCount"]
        chosen, left[:count] = left[:count], []
        response = self.objects.answer(wmi.IEnumWbemClassObject_NextResponse)
        for name, pid, session, memory in chosen:
            values = {"Caption": name, "Name": name, "Handle": str(pid), "ProcessId": pid, "SessionId": session, "WorkingSetSize": memory * 1024, "CSName": self.machine.name,
                      "CreationClassName": "Win32_Process", "ExecutablePath": f"C:\\Windows\\System32\\{name}", "ThreadCount": 2 + pid % 30}
            pointer = wmi.PMInterfacePointer()
            self.objects.point(pointer, self.custom(wmio.instance_block("Win32_Process", PROPERTIES, values, (self.machine.name, WHERE))))
            response["apObjects"].append(pointer)
        response["puReturned"] = len(chosen)
        response["ErrorCode"] = 0 if len(chosen) == count else 1
        return response
