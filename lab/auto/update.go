package auto

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"

	"tyto/lab"
	"tyto/lab/webapp"
)

// UpdateFile is the path of the new version that ServeUpdates has.
const UpdateFile = "/files/agent-2.bin"

// UpdateTag is the entity tag of a version's manifest.
func UpdateTag(version int) string { return fmt.Sprintf(`"v%d"`, version) }

// ServeUpdates is a program of a scenario that tells at any path which version
// is the latest, with the status 304 to who names the tag of that: version 1, or
// from a certain check on 2. After the arguments of webapp.Serve come the bytes
// of a manifest, about, that check's number from 1, the size of the new version,
// and the seed of its content, as lab.Random makes it of PCG(seed, 0).
func ServeUpdates(ctx context.Context, args []string) error {
	var manifest, fresh, size int
	var seed uint64
	if _, err := fmt.Sscan(strings.Join(args[2:], " "), &manifest, &fresh, &size, &seed); err != nil {
		return err
	}
	content := lab.Random(size, rand.New(rand.NewPCG(seed, 0)))
	var checks atomic.Int64
	return webapp.Serve(ctx, args, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == UpdateFile {
			fmt.Fprint(w, content)
			return
		}
		version := 1
		if int(checks.Add(1)) >= fresh {
			version = 2
		}
		tag := UpdateTag(version)
		if w.Header().Set("Etag", tag); q.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, `{"version": %d, "file": %q, "notes": %q}`, version, UpdateFile, strings.Repeat("Fixes. ", manifest/7))
	}))
}
