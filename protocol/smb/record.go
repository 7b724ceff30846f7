package smb

import (
	"strconv"

	"tyto/internal/record"
	"tyto/protocol/dcerpc"
)

// SessionSchema describes the record of one connection.
var SessionSchema = record.New("smb", "", "One SMB connection: what was negotiated and who signed in, written at its end.",
	record.Field{Name: "version", Type: record.Enum, Doc: "SMB1, SMB2 or SMB3."},
	record.Field{Name: "dialect", Type: record.String, Doc: "Dialect the server chose: 3.1.1, 2.0.2, NT LM 0.12, ...."},
	record.Field{Name: "signing_required", Type: record.Bool, Doc: "Whether the server requires signed messages."},
	record.Field{Name: "encrypted", Type: record.Bool, Doc: "Whether encrypted messages were sent."},
	record.Field{Name: "compressed", Type: record.Bool, Doc: "Whether compressed messages were sent."},
	record.Field{Name: "client_guid", Type: record.String, Doc: "Identifier of the client, the same for all its connections until it restarts."},
	record.Field{Name: "server_guid", Type: record.String, Doc: "Identifier of the server."},
	record.Field{Name: "server_name", Type: record.String, Doc: "Name by which the client reaches the server."},
	record.Field{Name: "server_time", Type: record.Time, Doc: "The server's clock when it negotiated."},
	record.Field{Name: "native_os", Type: record.String, Doc: "Operating system the server names (SMB1)."},
	record.Field{Name: "native_lan_manager", Type: record.String, Doc: "Program the server names (SMB1)."},
	record.Field{Name: "client_os", Type: record.String, Doc: "Operating system the client names (SMB1)."},
	record.Field{Name: "auth", Type: record.Enum, Doc: "How the latest user signed in: ntlm, kerberos, password (without GSS-API), guest or anonymous."},
	record.Field{Name: "user", Type: record.String, Doc: "Latest user who signed in by NTLM or password."},
	record.Field{Name: "logins", Type: record.Count, Doc: "Sign-ins that were accepted."},
	record.Field{Name: "failed_logins", Type: record.Count, Doc: "Sign-ins that were refused."},
	record.Field{Name: "status", Type: record.String, Doc: "Status of the latest refused sign-in."},
)

// facts is what a connection is told as.
type facts struct {
	seen               bool
	version            string
	dialect            string
	signing            bool
	encrypted          bool
	compressed         bool
	client, server     dcerpc.UUID
	serverName         string
	serverTime         int64
	nativeOS, nativeLM string
	clientOS           string
	auth, user         string
	logins, failed     uint64
	status             uint32
}

// Schema implements protocol.Record.
func (r *facts) Schema() *record.Schema { return SessionSchema }

// Append implements protocol.Record.
func (r *facts) Append(e *record.Encoder) {
	e.Str(r.version)
	e.Str(r.dialect)
	e.Bool(r.signing)
	e.Bool(r.encrypted)
	e.Bool(r.compressed)
	appendGUID(e, r.client)
	appendGUID(e, r.server)
	e.Str(r.serverName)
	appendTime(e, r.serverTime)
	e.Str(r.nativeOS)
	e.Str(r.nativeLM)
	e.Str(r.clientOS)
	e.Str(r.auth)
	e.Str(r.user)
	e.Uint(r.logins)
	e.Uint(r.failed)
	appendStatus(e, r.status)
}

// MappingSchema describes the record of one share that is mapped.
var MappingSchema = record.New("smb_mapping", "smb_mapping", "One share a client maps, or is refused to.",
	record.Field{Name: "path", Type: record.String, Doc: `Path of the share: \\server\share.`},
	record.Field{Name: "service", Type: record.String, Doc: "Type of service the server names (SMB1): A: for disks, IPC for pipes."},
	record.Field{Name: "native_file_system", Type: record.String, Doc: "File system the server names (SMB1)."},
	record.Field{Name: "share_type", Type: record.String, Doc: "DISK, PIPE, PRINT or UNKNOWN."},
	record.Field{Name: "user", Type: record.String, Doc: "User the session signed in, if the capture tells."},
	record.Field{Name: "status", Type: record.String, Doc: "Why the server refused; unset if it did not."},
	record.Field{Name: "encrypted", Type: record.Bool, Doc: "Whether the share wants encrypted messages."},
)

type mappingRecord struct {
	path, service, system, kind, user string
	status                            uint32
	encrypted                         bool
}

// Schema implements protocol.Record.
func (r *mappingRecord) Schema() *record.Schema { return MappingSchema }

// Append implements protocol.Record.
func (r *mappingRecord) Append(e *record.Encoder) {
	e.Str(r.path)
	e.Str(r.service)
	e.Str(r.system)
	e.Str(r.kind)
	e.Str(r.user)
	appendStatus(e, r.status)
	e.Bool(r.encrypted)
}

// FileSchema describes the record of what is done to a file.
var FileSchema = record.New("smb_files", "smb_files",
	"One action on a file or pipe. All reads, and all writes, between opening and closing are one action, written when the file is closed.",
	record.Field{Name: "fuid", Type: record.String, Doc: "Always unset: contents are not looked at."},
	record.Field{Name: "action", Type: record.Enum, Doc: "SMB::FILE_OPEN, FILE_READ, FILE_WRITE, FILE_RENAME, FILE_DELETE, FILE_SET_ATTRIBUTE, PIPE_OPEN, PRINT_OPEN, or, ours, DIR_LIST."},
	record.Field{Name: "path", Type: record.String, Doc: "Path of the share the file is on."},
	record.Field{Name: "name", Type: record.String, Doc: "Name of the file in the share; of DIR_LIST the pattern."},
	record.Field{Name: "size", Type: record.Count, Doc: "Size of the file when it was opened."},
	record.Field{Name: "prev_name", Type: record.String, Doc: "Name before a rename."},
	record.Field{Name: "times.modified", Type: record.Time, Doc: "Last write to the file before it was opened."},
	record.Field{Name: "times.accessed", Type: record.Time, Doc: "Last access to the file before it was opened."},
	record.Field{Name: "times.created", Type: record.Time, Doc: "Creation of the file."},
	record.Field{Name: "times.changed", Type: record.Time, Doc: "Last change of the file's attributes before it was opened."},
	record.Field{Name: "bytes", Type: record.Count, Doc: "Bytes that were read or written."},
	record.Field{Name: "ops", Type: record.Count, Doc: "Requests that make up the action."},
	record.Field{Name: "created", Type: record.Bool, Doc: "Whether opening made the file or replaced its content."},
	record.Field{Name: "status", Type: record.String, Doc: "Why the server refused; unset if it did not."},
	record.Field{Name: "user", Type: record.String, Doc: "User the session signed in, if the capture tells."},
)

type fileRecord struct {
	action     string
	path, name string
	prev       string
	user       string
	file       *file // for size and times; may be nil
	bytes, ops uint64
	status     uint32
}

// Schema implements protocol.Record.
func (r *fileRecord) Schema() *record.Schema { return FileSchema }

// Append implements protocol.Record.
func (r *fileRecord) Append(e *record.Encoder) {
	e.Unset()
	e.Str(r.action)
	e.Str(r.path)
	e.Str(r.name)
	if r.file != nil && r.file.opened {
		e.Uint(r.file.size)
	} else {
		e.Unset()
	}
	e.Str(r.prev)
	var t times
	if r.file != nil {
		t = r.file.times
	}
	appendTime(e, t.modified)
	appendTime(e, t.accessed)
	appendTime(e, t.created)
	appendTime(e, t.changed)
	if r.ops > 0 {
		e.Uint(r.bytes)
		e.Uint(r.ops)
	} else {
		e.Unset()
		e.Unset()
	}
	if r.file != nil && r.file.opened {
		e.Bool(r.file.created)
	} else {
		e.Unset()
	}
	appendStatus(e, r.status)
	e.Str(r.user)
}

func appendTime(e *record.Encoder, ns int64) {
	if ns == 0 {
		e.Unset()
		return
	}
	e.Time(ns)
}

func appendGUID(e *record.Encoder, u dcerpc.UUID) {
	if (u == dcerpc.UUID{}) {
		e.Unset()
		return
	}
	var buf [36]byte
	e.Bytes(u.AppendTo(buf[:0]))
}

// appendStatus writes a status that is not success, as its name or in
// hexadecimal.
func appendStatus(e *record.Encoder, status uint32) {
	if status == statusSuccess {
		e.Unset()
		return
	}
	if name := statusName(status); name != "" {
		e.Str(name)
		return
	}
	var buf [12]byte
	e.Bytes(strconv.AppendUint(append(buf[:0], "0x"...), uint64(status), 16))
}

// Status codes that are treated in a way of their own (MS-ERREF section 2.3.1).
const (
	statusSuccess        = 0x00000000
	statusPending        = 0x00000103
	statusBufferOverflow = 0x80000005
	statusNoMoreFiles    = 0x80000006
	statusMoreProcessing = 0xc0000016
	statusAccessDenied   = 0xc0000022
)

// failed reports whether a status says that the server refused.
func failed(status uint32) bool { return status>>30 == 3 }

// statusName returns the name of a status without STATUS_, "" if it is not
// among those that tell something about sign-ins, shares and files.
func statusName(status uint32) string {
	switch status {
	case statusPending:
		return "PENDING"
	case statusBufferOverflow:
		return "BUFFER_OVERFLOW"
	case statusNoMoreFiles:
		return "NO_MORE_FILES"
	case 0xc0000001:
		return "UNSUCCESSFUL"
	case 0xc0000002:
		return "NOT_IMPLEMENTED"
	case 0xc000000d:
		return "INVALID_PARAMETER"
	case 0xc000000f:
		return "NO_SUCH_FILE"
	case statusMoreProcessing:
		return "MORE_PROCESSING_REQUIRED"
	case statusAccessDenied:
		return "ACCESS_DENIED"
	case 0xc0000033:
		return "OBJECT_NAME_INVALID"
	case 0xc0000034:
		return "OBJECT_NAME_NOT_FOUND"
	case 0xc0000035:
		return "OBJECT_NAME_COLLISION"
	case 0xc000003a:
		return "OBJECT_PATH_NOT_FOUND"
	case 0xc0000043:
		return "SHARING_VIOLATION"
	case 0xc000005e:
		return "NO_LOGON_SERVERS"
	case 0xc0000061:
		return "PRIVILEGE_NOT_HELD"
	case 0xc0000064:
		return "NO_SUCH_USER"
	case 0xc000006a:
		return "WRONG_PASSWORD"
	case 0xc000006d:
		return "LOGON_FAILURE"
	case 0xc000006e:
		return "ACCOUNT_RESTRICTION"
	case 0xc000006f:
		return "INVALID_LOGON_HOURS"
	case 0xc0000070:
		return "INVALID_WORKSTATION"
	case 0xc0000071:
		return "PASSWORD_EXPIRED"
	case 0xc0000072:
		return "ACCOUNT_DISABLED"
	case 0xc00000ac:
		return "PIPE_NOT_AVAILABLE"
	case 0xc00000ba:
		return "FILE_IS_A_DIRECTORY"
	case 0xc00000bb:
		return "NOT_SUPPORTED"
	case 0xc00000c9:
		return "NETWORK_NAME_DELETED"
	case 0xc00000ca:
		return "NETWORK_ACCESS_DENIED"
	case 0xc00000cb:
		return "BAD_DEVICE_TYPE"
	case 0xc00000cc:
		return "BAD_NETWORK_NAME"
	case 0xc0000101:
		return "DIRECTORY_NOT_EMPTY"
	case 0xc0000103:
		return "NOT_A_DIRECTORY"
	case 0xc000015b:
		return "LOGON_TYPE_NOT_GRANTED"
	case 0xc000018b:
		return "NO_TRUST_SAM_ACCOUNT"
	case 0xc000018d:
		return "TRUSTED_RELATIONSHIP_FAILURE"
	case 0xc0000192:
		return "NETLOGON_NOT_STARTED"
	case 0xc0000193:
		return "ACCOUNT_EXPIRED"
	case 0xc0000203:
		return "USER_SESSION_DELETED"
	case 0xc0000224:
		return "PASSWORD_MUST_CHANGE"
	case 0xc0000225:
		return "NOT_FOUND"
	case 0xc0000234:
		return "ACCOUNT_LOCKED_OUT"
	case 0xc0000257:
		return "PATH_NOT_COVERED"
	case 0xc000035c:
		return "NETWORK_SESSION_EXPIRED"
	case 0xc0000413:
		return "AUTHENTICATION_FIREWALL_FAILED"
	}
	return ""
}
