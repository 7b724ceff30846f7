package smbprint

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/lab"
	"tyto/lab/ad"
)

// server is a print server with one printer and one user.
type server struct {
	*lab.Host
	share, user, password string
}

// printed is where documents are kept that a printer would print.
const printed = "/srv/printed"

// conf has the printer's name and more lines of [global].
const conf = `[global]
	server role = standalone server
	workgroup = OFFICE
	printing = lprng
	load printers = no
	map to guest = never
	%[2]s
[%[1]s]
	path = /srv/spool
	printable = yes
	print command = mv %%s ` + printed + `/
	lpq command = /bin/true
	lprm command = /bin/true
`

// start starts the server and waits until it answers calls of its print
// system, which is started at the first one.
func (s *server) start(ctx context.Context, r *lab.Run) error {
	text := fmt.Sprintf(conf, s.share, strings.Join(ad.ProtectionConfig(r.Param("protection")), "\n\t"))
	err := errors.Join(s.AddUser(ctx, s.user, ""), s.Write("/etc/samba/smb.conf", text, 0o644), ad.Libraries(s.Host))
	if err != nil {
		return err
	}
	const script = `mkdir -p -m 1777 /srv/spool && mkdir -p -m 777 ` + printed + ` && mkdir -p /run/samba && smbpasswd -s -a "$0"`
	if _, err := s.Run(ctx, lab.Command{Args: []string{"sh", "-c", script, s.user}, Stdin: strings.NewReader(s.password + "\n" + s.password + "\n")}); err != nil {
		return err
	}
	r.Installed(s.Host, "smbd")
	r.Note("the printer is a directory that documents are moved to")
	// It ends when its standard input does, if that is a pipe.
	p, err := s.Start(ctx, lab.Command{Args: []string{"sh", "-c", "exec smbd -F --no-process-group --debug-stdout </dev/null"}})
	if err != nil {
		return err
	}
	if err := ad.Wait(ctx, s.Host, p, 445); err != nil {
		return err
	}
	work := fmt.Sprintf(`{"server": "%s", "printer": "%s", "user": "%s", "password": "%s", "documents": [], "protection": "%s", "part": 1, "pause": 0}`, s.Addr(), s.share, s.user, s.password, r.Param("protection"))
	c, err := ad.Python(r, s.Host, program, nil, work)
	for range 6 {
		if err == nil {
			_, err = s.Run(ctx, c)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		err = nil
	}
	return errors.New("its print system does not answer")
}

// check waits until all documents were printed, whole.
func (s *server) check(ctx context.Context, documents []document) error {
	var out []byte
	for range 100 {
		var err error
		if out, err = s.Run(ctx, lab.Command{Args: []string{"sh", "-c", "sha256sum " + printed + "/* 2>/dev/null; true"}}); err != nil {
			return err
		}
		missing := 0
		for _, d := range documents {
			if !strings.Contains(string(out), fmt.Sprintf("%x", sha256.Sum256([]byte(d.content)))) {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("of %d documents came\n%s", len(documents), out)
}
