package smbprint

import (
	"context"
	"fmt"
	"time"

	"tyto/lab"
	"tyto/lab/label"
	"tyto/lab/transfer"
)

// byFile prints with smbclient, which writes a file into the share.
func byFile(ctx context.Context, r *lab.Run, client *lab.Host, s *server, documents []document) error {
	r.Installed(client, "smbclient")
	mode := map[string]string{"none": "off", "signed": "sign", "encrypted": "encrypt"}[r.Param("protection")]
	for _, d := range documents {
		if err := client.Write(d.Name, d.content, 0o644); err != nil {
			return err
		}
		args := []string{"smbclient", "//" + s.Addr().String() + "/" + s.share, "--client-protection=" + mode, "-U", s.user + "%" + s.password, "-c", "print " + d.Name}
		p, err := client.Start(ctx, lab.Command{Args: args})
		if err != nil {
			return err
		}
		sel := lab.Of(p).And(lab.Service(s.Host, "tcp", 445))
		r.Label(sel, label.Upload)
		if err := p.Wait(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, p.Output())
		}
		state := label.StateUpload
		if len(d.content) <= transfer.Small {
			state = label.StateExchange
		}
		r.Span(sel, p.Started(), r.Now(), state, "login, and "+d.Name)
		if err := r.Sleep(ctx, time.Duration(float64(r.ParamInt("pause"))*min(r.Rand().ExpFloat64(), 3)*float64(time.Second))); err != nil {
			return err
		}
	}
	return nil
}
