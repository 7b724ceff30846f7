package samrenumeration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tyto/lab"
	"tyto/lab/ad"
	"tyto/lab/label"
)

// pick draws as many questions as the parameter "breadth" says, without the
// first, in their order.
func pick(from []string, r *lab.Run) (picked []string) {
	chosen := r.Rand().Perm(len(from))[:r.ParamInt("breadth")-1]
	slices.Sort(chosen)
	for _, i := range chosen {
		picked = append(picked, from[i])
	}
	return picked
}

// ids is a list of relative identifiers, as rpcclient takes it.
func ids(first, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("0x%x", first+i))
	}
	return strings.Join(list, " ")
}

func byProgram(ctx context.Context, r *lab.Run, s *ad.Station, user *ad.User) (output string, err error) {
	r.SetParam("sessions", "one")
	r.Installed(s.Host, "py:impacket")
	work, err := json.Marshal(map[string]any{
		"server": s.Domain.Name(s.Domain.DC), "domain": s.Domain.NetBIOS, "user": user.Name, "password": user.Password,
		"breadth": r.ParamInt("breadth"), "identifiers": r.ParamInt("identifiers"), "pause": r.Param("pause"),
	})
	if err != nil {
		return "", err
	}
	c, err := s.Python(program, nil, string(work))
	if err != nil {
		return "", err
	}
	p, _, err := s.RunAndTell(ctx, c)
	if err != nil {
		return "", err
	}
	r.Label(lab.Of(p).And(lab.Service(s.Domain.DC, "tcp", 445)), label.Enumeration)
	return p.Output(), nil
}
