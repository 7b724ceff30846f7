package http

import (
	"bytes"

	"tyto/internal/record"
)

// Schema describes the record of a request and its response, of HTTP/1.x and
// HTTP/2 alike.
var Schema = record.New("http", "http", "An HTTP request and its response; either may be missing.",
	record.Field{Name: "trans_depth", Type: record.Count, Doc: "How many requests the connection had, this one included."},
	record.Field{Name: "method", Type: record.String, Doc: "Method of the request."},
	record.Field{Name: "host", Type: record.String, Doc: "Host the client wants, with the port if it names one."},
	record.Field{Name: "uri", Type: record.String, Doc: "Target of the request."},
	record.Field{Name: "referrer", Type: record.String, Doc: "Page the client says it comes from."},
	record.Field{Name: "version", Type: record.String, Doc: "Protocol version: of the response if there is one."},
	record.Field{Name: "user_agent", Type: record.String, Doc: "Program the client says it is."},
	record.Field{Name: "origin", Type: record.String, Doc: "Origin of the script that makes the request."},
	record.Field{Name: "request_body_len", Type: record.Count, Doc: "Bytes of the request's body, as they were sent."},
	record.Field{Name: "response_body_len", Type: record.Count, Doc: "Bytes of the response's body, as they were sent."},
	record.Field{Name: "status_code", Type: record.Count, Doc: "Status of the response."},
	record.Field{Name: "status_msg", Type: record.String, Doc: "Reason phrase of the response."},
	record.Field{Name: "info_code", Type: record.Count, Doc: "Status of the last informational (1xx) response."},
	record.Field{Name: "info_msg", Type: record.String, Doc: "Reason phrase of that response."},
	record.Field{Name: "tags", Type: record.Set, Doc: "Properties of the exchange: GRPC, PROXY, UPGRADE."},
	record.Field{Name: "username", Type: record.String, Doc: "Account of the request's credentials (Basic, Digest, NTLM)."},
	record.Field{Name: "password", Type: record.String, Doc: "Never set: secrets are not kept."},
	record.Field{Name: "proxied", Type: record.Set, Doc: "Fields that show the request to have come through a proxy."},
	record.Field{Name: "orig_mime_types", Type: record.Strings, Doc: "Type of the request's body, told by its first bytes."},
	record.Field{Name: "resp_mime_types", Type: record.Strings, Doc: "Type of the response's body, told by its first bytes; unset if it is compressed."},
	record.Field{Name: "server", Type: record.String, Doc: "Program the server says it is."},
	record.Field{Name: "location", Type: record.String, Doc: "Where the response sends the client."},
	record.Field{Name: "content_type", Type: record.String, Doc: "Type of the response's body, as the server says."},
	record.Field{Name: "auth", Type: record.String, Doc: "Scheme of the request's credentials: basic, digest, bearer, ntlm, negotiate."},
)

var schemas = []*record.Schema{Schema}

// Limits of a record.
const (
	maxField   = 4096 // bytes of one field
	maxProxied = 8
)

// Record is a request with its response. Its slices are valid until Reset.
type Record struct {
	Time      int64 // of the request, ns
	Depth     uint64
	Method    []byte
	Host      []byte
	URI       []byte
	Referrer  []byte
	Version   []byte
	UserAgent []byte
	Origin    []byte

	RequestBytes, ResponseBytes int64

	Status     uint16 // 0 without a response
	StatusMsg  []byte
	InfoCode   uint16 // 0 without an informational response
	InfoMsg    []byte
	Tags       []string
	Username   []byte
	AuthScheme string
	Proxied    []string
	OrigMIME   string
	RespMIME   string

	Server      []byte
	Location    []byte
	ContentType []byte

	arena       []byte // what the slices above point into
	mime        [1]string
	protocol    []byte // of an upgrade
	requestDone bool
	credentials bool // the request logs in
	upgrade     bool
}

// Reset empties the record for a request at the given time.
func (r *Record) Reset(now int64, depth uint64) {
	*r = Record{Time: now, Depth: depth, arena: r.arena[:0], Tags: r.Tags[:0], Proxied: r.Proxied[:0]}
}

// Keep copies a value into the record's memory, at most 4,096 bytes of it.
func (r *Record) Keep(b []byte) []byte { return r.keep(b) }

func (r *Record) keep(b []byte) []byte {
	b = b[:min(len(b), maxField)]
	n := len(r.arena)
	r.arena = append(r.arena, b...)
	return r.arena[n:len(r.arena):len(r.arena)]
}

// proxy notes a field that shows a proxy.
func (r *Record) proxy(name string, value []byte) {
	if len(r.Proxied) < maxProxied {
		r.Proxied = append(r.Proxied, name+" -> "+string(value[:min(len(value), maxFact)]))
	}
}

// Schema returns the schema of HTTP records.
func (r *Record) Schema() *record.Schema { return Schema }

// Append writes the record's fields.
func (r *Record) Append(e *record.Encoder) {
	e.Uint(r.Depth)
	e.Bytes(r.Method)
	e.Bytes(r.Host)
	e.Bytes(r.URI)
	e.Bytes(r.Referrer)
	e.Bytes(r.Version)
	e.Bytes(r.UserAgent)
	e.Bytes(r.Origin)
	e.Uint(uint64(r.RequestBytes))
	e.Uint(uint64(r.ResponseBytes))
	code(e, r.Status)
	e.Bytes(r.StatusMsg)
	code(e, r.InfoCode)
	e.Bytes(r.InfoMsg)
	e.Strs(r.Tags)
	e.Bytes(r.Username)
	e.Unset()
	e.Strs(r.Proxied)
	r.types(e, r.OrigMIME)
	r.types(e, r.RespMIME)
	e.Bytes(r.Server)
	e.Bytes(r.Location)
	e.Bytes(r.ContentType)
	e.Str(r.AuthScheme)
}

func code(e *record.Encoder, c uint16) {
	if c == 0 {
		e.Unset()
		return
	}
	e.Uint(uint64(c))
}

func (r *Record) types(e *record.Encoder, one string) {
	if one == "" {
		e.Strs(nil)
		return
	}
	r.mime[0] = one
	e.Strs(r.mime[:])
}

// magic tells types of content by how it starts.
var magic = []struct{ start, mime string }{
	{"\x89PNG\r\n\x1a\n", "image/png"},
	{"GIF8", "image/gif"},
	{"\xff\xd8\xff", "image/jpeg"},
	{"\x1f\x8b", "application/x-gzip"},
	{"PK\x03\x04", "application/zip"},
	{"MZ", "application/x-dosexec"},
	{"\x7fELF", "application/x-executable"},
	{"%PDF-", "application/pdf"},
	{"%!PS", "application/postscript"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"},
	{"{\\rtf", "text/rtf"},
	{"Rar!\x1a\x07", "application/x-rar"},
	{"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
	{"BZh", "application/x-bzip2"},
	{"\xfd7zXZ\x00", "application/x-xz"},
	{"\x28\xb5\x2f\xfd", "application/zstd"},
	{"MSCF", "application/vnd.ms-cab-compressed"},
	{"\xca\xfe\xba\xbe", "application/x-java-applet"},
	{"\xfe\xed\xfa\xce", "application/x-mach-o-executable"},
	{"\xfe\xed\xfa\xcf", "application/x-mach-o-executable"},
	{"\xcf\xfa\xed\xfe", "application/x-mach-o-executable"},
	{"dex\n", "application/vnd.android.dex"},
	{"FWS", "application/x-shockwave-flash"},
	{"CWS", "application/x-shockwave-flash"},
	{"ZWS", "application/x-shockwave-flash"},
	{"wOFF", "font/woff"},
	{"wOF2", "font/woff2"},
	{"OTTO", "font/otf"},
	{"OggS", "application/ogg"},
	{"ID3", "audio/mpeg"},
	{"fLaC", "audio/x-flac"},
	{"FLV\x01", "video/x-flv"},
	{"\x1aE\xdf\xa3", "video/webm"},
	{"\x00\x00\x01\x00", "image/x-icon"},
	{"II*\x00", "image/tiff"},
	{"MM\x00*", "image/tiff"},
	{"BM", "image/x-ms-bmp"},
	{"\x00asm", "application/wasm"},
	{"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
	{"\xa1\xb2\xc3\xd4", "application/vnd.tcpdump.pcap"},
	{"\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"},
	{"#!", "text/x-shellscript"},
	{"<?php", "text/x-php"},
	{"<?xml", "application/xml"},
	{"-----BEGIN ", "application/x-pem"},
}

// text tells types of text by how it starts, after white space and in any case.
var text = []struct{ start, mime string }{
	{"<!doctype html", "text/html"}, {"<html", "text/html"}, {"<head", "text/html"}, {"<body", "text/html"}, {"<script", "text/html"},
	{"<title", "text/html"}, {"<svg", "image/svg+xml"}, {"{", "text/json"}, {"[", "text/json"}, {"#extm3u", "application/vnd.apple.mpegurl"},
}

// Sniff tells the type of a body by its first bytes; empty if it is not known.
func Sniff(b []byte) string {
	for _, m := range magic {
		if len(b) >= len(m.start) && string(b[:len(m.start)]) == m.start {
			return m.mime
		}
	}
	switch {
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return "image/webp"
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WAVE":
		return "audio/wav"
	case len(b) >= 12 && string(b[4:8]) == "ftyp":
		return "video/mp4"
	}
	t := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, m := range text {
		if len(t) >= len(m.start) && fold(t[:len(m.start)], m.start) {
			return m.mime
		}
	}
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\n' && c != '\f' && c != 0x1b || c == 0x7f {
			return ""
		}
	}
	if len(b) == 0 {
		return ""
	}
	return "text/plain"
}
