// Package dohlookups is a program that looks up names over HTTPS.
package dohlookups

import (
	"context"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/webapp"
)

// Scenario is a monitor that asks a resolver over HTTPS for a list of names in
// rounds.
var Scenario = lab.Scenario{
	Name:   "doh-lookups",
	Doc:    "A monitor looks up a list of names in rounds, over HTTPS. Small requests on one connection or many, at the rhythm of a list: the benign twin of a beacon over HTTPS.",
	Labels: []label.Label{label.Poll},
	Twin:   "c2-https",
	Hosts:  []string{"client", "resolver"},
	Variants: []lab.Variant{
		{Name: "kdig-unbound", Needs: []string{"kdig", "unbound", "openssl"}}, {Name: "go-unbound", Needs: []string{"unbound", "openssl"}},
	},
	Params: []lab.Param{
		{Name: "names", Doc: "looked up in each round", Values: []string{"1", "4", "12", "30"}},
		{Name: "rounds", Doc: "of the list", Values: []string{"2", "4", "8"}},
		{Name: "pause", Doc: "between rounds, about", Values: []string{"200ms", "2s", "8s"}},
		{Name: "port", Doc: "of the resolver", Values: []string{"443", "443", "443", "8443"}},
	},
	Limit:    8 * time.Minute,
	Programs: map[string]func(context.Context, []string) error{"client": webapp.Resolve},
	Run:      run,
}

func run(ctx context.Context, r *lab.Run) error {
	client, _, _ := strings.Cut(r.Variant(), "-")
	pause, err := time.ParseDuration(r.Param("pause"))
	if err != nil {
		return err
	}
	const most = 60 // lookups of kdig, which connects for each
	if total := r.ParamInt("names") * r.ParamInt("rounds"); client == "kdig" && total > most {
		r.SetParam("rounds", "2")
	}
	s, err := webapp.StartResolver(ctx, r, "https", r.ParamInt("port"), r.ParamInt("names"))
	if err != nil {
		return err
	}
	return s.LookUp(ctx, r, client, r.ParamInt("rounds"), pause)
}
