package winrpc

import "time"

// wait is how often a start is looked at.
const wait = 20 * time.Millisecond

// smbConf is Samba's: %[1]s is the host's directory, then come the domain, the
// computer's name and settings. The administrator is root on the host.
const smbConf = `[global]
workgroup = %[2]s
netbios name = %[3]s
server role = standalone server
disable netbios = yes
smb ports = 445
passdb backend = smbpasswd:%[1]s/smbpasswd
username map = %[1]s/users
private dir = %[1]s/state
lock directory = %[1]s/state
state directory = %[1]s/state
cache directory = %[1]s/state
pid directory = %[1]s/state
ncalrpc dir = %[1]s/rpc
rpc start on demand helpers = no
load printers = no
printcap name = /dev/null
server min protocol = SMB2_02
debug hires timestamp = yes
log level = 0 auth_audit:3
%[4]s
[ADMIN$]
path = %[1]s/c/Windows
read only = no
[C$]
path = %[1]s/c
read only = no
`

// common is how many of serviceNames each machine has, and runs.
const common = 13

const serviceNames = `
EventLog Windows Event Log
LanmanServer Server
LanmanWorkstation Workstation
RpcSs Remote Procedure Call (RPC)
Schedule Task Scheduler
Spooler Print Spooler
W32Time Windows Time
WinDefend Microsoft Defender Antivirus Service
Winmgmt Windows Management Instrumentation
WinRM Windows Remote Management (WS-Management)
RemoteRegistry Remote Registry
Dnscache DNS Client
BITS Background Intelligent Transfer Service
AppIDSvc Application Identity
Appinfo Application Information
AudioSrv Windows Audio
BFE Base Filtering Engine
CertPropSvc Certificate Propagation
CryptSvc Cryptographic Services
DcomLaunch DCOM Server Process Launcher
Dhcp DHCP Client
DiagTrack Connected User Experiences and Telemetry
DPS Diagnostic Policy Service
EFS Encrypting File System (EFS)
fdPHost Function Discovery Provider Host
FontCache Windows Font Cache Service
gpsvc Group Policy Client
IKEEXT IKE and AuthIP IPsec Keying Modules
iphlpsvc IP Helper
KeyIso CNG Key Isolation
lmhosts TCP/IP NetBIOS Helper
MSDTC Distributed Transaction Coordinator
Netlogon Netlogon
netprofm Network List Service
NlaSvc Network Location Awareness
nsi Network Store Interface Service
PlugPlay Plug and Play
PolicyAgent IPsec Policy Agent
Power Power
ProfSvc User Profile Service
SamSs Security Accounts Manager
seclogon Secondary Logon
SENS System Event Notification Service
SessionEnv Remote Desktop Configuration
ShellHWDetection Shell Hardware Detection
SNMPTRAP SNMP Trap
sppsvc Software Protection
TermService Remote Desktop Services
Themes Themes
TrkWks Distributed Link Tracking Client
UmRdpService Remote Desktop Services UserMode Port Redirector
UsoSvc Update Orchestrator Service
VMTools VMware Tools
WdiServiceHost Diagnostic Service Host
wuauserv Windows Update
`
