package webapp

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path"
)

// KeepFiles is a program of a scenario that keeps what is put or posted, alone
// or as the part "file" of a form, in its directory, by the last element of the
// URL's path.
func KeepFiles(ctx context.Context, args []string) error {
	return Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body io.Reader = q.Body
		if form, err := q.MultipartReader(); err == nil {
			for part, err := form.NextPart(); err == nil; part, err = form.NextPart() {
				if body = part; part.FormName() == "file" {
					break
				}
			}
		}
		data, err := io.ReadAll(body)
		if err == nil {
			err = os.WriteFile(path.Base(q.URL.Path), data, 0o644)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.Copy(io.Discard, q.Body)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "{\"stored\": %d}\n", len(data))
	}))
}

// Upload is a program of a scenario that uploads files in one session: its
// arguments are "put" or "multipart", then pairs of a file and its URL.
func Upload(ctx context.Context, args []string) error {
	for i := 1; i+1 < len(args); i += 2 {
		if err := upload(ctx, args[0] == "multipart", args[i], args[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// UploadPython is Upload for Python's requests.
//
//go:embed upload.py
var UploadPython string

func upload(ctx context.Context, multi bool, file, url string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	method, body, kind := http.MethodPut, bytes.NewBuffer(data), "application/octet-stream"
	if multi {
		method, body = http.MethodPost, new(bytes.Buffer)
		form := multipart.NewWriter(body)
		part, _ := form.CreateFormFile("file", file) // a Buffer takes everything
		part.Write(data)
		form.Close()
		kind = form.FormDataContentType()
	}
	answer, err := Do(ctx, method, url, kind, body)
	if err == nil && !bytes.Contains(answer, fmt.Appendf(nil, "\"stored\": %d}", len(data))) {
		err = fmt.Errorf("%s: the server says %q", url, answer)
	}
	return err
}

// Do is for programs on hosts: it makes a request and returns the body of the
// answer, which is an error unless its status is 2xx. Connections are kept.
func Do(ctx context.Context, method, url, kind string, body io.Reader) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, url, a.Status)
	}
	return data, err
}
