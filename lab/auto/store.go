package auto

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tyto/lab/webapp"
)

// store is an object store with the part of S3's interface that its clients
// need, with the bucket in the path. It believes every signature.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte         // by path, with the bucket
	parts   map[string]map[int][]byte // of uploads, by the path of the object
}

// Store is a program of a scenario that is an object store, and keeps what comes
// in its directory, too, by ObjectFile. Its arguments are those of webapp.Serve.
func Store(ctx context.Context, args []string) error {
	s := &store{objects: make(map[string][]byte), parts: make(map[string]map[int][]byte)}
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.answer(w, q, body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}

// ObjectFile is the file in which the store keeps an object.
func ObjectFile(path string) string {
	return "object-" + strings.ReplaceAll(strings.Trim(path, "/"), "/", "_")
}

// UploadID is what the store calls the upload of an object in parts.
func UploadID(path string) string { return tagOf([]byte(path)) }

func tagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func (s *store) answer(w http.ResponseWriter, q *http.Request, body []byte) error {
	key, ask := strings.Trim(q.URL.Path, "/"), q.URL.Query()
	w.Header().Set("Content-Type", "application/xml")
	switch {
	case !strings.Contains(key, "/"):
		return s.bucket(w, q, key)
	case q.Method == http.MethodPost && ask.Has("uploads"):
		s.parts[key] = make(map[int][]byte)
		return reply(w, "InitiateMultipartUploadResult", field{"Key", key}, field{"UploadId", UploadID(key)})
	case q.Method == http.MethodPut && ask.Has("partNumber"):
		n, err := strconv.Atoi(ask.Get("partNumber"))
		if err != nil || s.parts[key] == nil || ask.Get("uploadId") != UploadID(key) {
			return fmt.Errorf("there is no upload %s", key)
		}
		s.parts[key][n] = body
		w.Header().Set("Etag", `"`+tagOf(body)+`"`)
		return nil
	case q.Method == http.MethodPost && ask.Has("uploadId"):
		var all []byte
		for _, n := range slices.Sorted(maps.Keys(s.parts[key])) {
			all = append(all, s.parts[key][n]...)
		}
		delete(s.parts, key)
		if err := s.keep(key, all); err != nil {
			return err
		}
		return reply(w, "CompleteMultipartUploadResult", field{"Key", key}, field{"ETag", `"` + tagOf(all) + `"`})
	case q.Method == http.MethodPut:
		w.Header().Set("Etag", `"`+tagOf(body)+`"`)
		return s.keep(key, body)
	case q.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	data, ok := s.objects[key]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return reply(w, "Error", field{"Code", "NoSuchKey"}, field{"Key", key})
	}
	w.Header().Set("Etag", `"`+tagOf(data)+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, q, "", time.Unix(1700000000, 0), strings.NewReader(string(data)))
	return nil
}

func (s *store) keep(key string, data []byte) error {
	s.objects[key] = data
	return os.WriteFile(ObjectFile(key), data, 0o644)
}

// bucket lists a bucket's objects, or tells that there is one.
func (s *store) bucket(w http.ResponseWriter, q *http.Request, bucket string) error {
	ask := q.URL.Query()
	if q.Method != http.MethodGet {
		return nil
	}
	if ask.Has("location") {
		return reply(w, "LocationConstraint")
	}
	type object struct {
		Key, LastModified, ETag string
		Size                    int
	}
	type prefix struct{ Prefix string }
	var list struct {
		XMLName        xml.Name `xml:"ListBucketResult"`
		Name, Prefix   string
		MaxKeys        int
		IsTruncated    bool
		Contents       []object
		CommonPrefixes []prefix
	}
	list.Name, list.Prefix, list.MaxKeys = bucket, ask.Get("prefix"), 1000
	seen := make(map[string]bool)
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		key, inside := strings.CutPrefix(path, bucket+"/")
		rest, matches := strings.CutPrefix(key, list.Prefix)
		if !inside || !matches {
			continue
		}
		if dir, _, deeper := strings.Cut(rest, "/"); deeper && ask.Get("delimiter") == "/" {
			if name := list.Prefix + dir + "/"; !seen[name] {
				seen[name] = true
				list.CommonPrefixes = append(list.CommonPrefixes, prefix{name})
			}
			continue
		}
		data := s.objects[path]
		list.Contents = append(list.Contents, object{key, "2026-01-02T03:04:05.000Z", `"` + tagOf(data) + `"`, len(data)})
	}
	return xml.NewEncoder(w).Encode(list)
}

type field struct{ name, value string }

// reply writes an element with fields.
func reply(w io.Writer, element string, fields ...field) error {
	var b strings.Builder
	b.WriteString(xml.Header + "<" + element + ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, f := range fields {
		fmt.Fprintf(&b, "<%s>", f.name)
		xml.EscapeText(&b, []byte(f.value)) // a Builder takes everything
		fmt.Fprintf(&b, "</%s>", f.name)
	}
	b.WriteString("</" + element + ">")
	_, err := io.WriteString(w, b.String())
	return err
}
