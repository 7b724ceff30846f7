package ad

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tyto/lab"
)

// CacheDir is where domains are kept that were made once on this machine. They
// may be removed at any time while nothing records.
const CacheDir = "/var/cache/tyto-lab"

// making lets only one run of this program make a domain at a time.
var making sync.Mutex

// unpack puts the domain as it was made into home.
func (d *Domain) unpack(ctx context.Context) error {
	name := filepath.Join(CacheDir, fmt.Sprintf("ad-%s-%s-%s.tgz", d.DC.Name(), strings.ToLower(d.Realm), lab.PackageVersion("samba-ad-provision")))
	making.Lock()
	err := d.keep(ctx, name)
	making.Unlock()
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = d.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", "rm -rf " + home + " && mkdir -p " + home + " && tar -C " + home + " --xattrs --xattrs-include=* --acls -xzf -"}, Stdin: f})
	return err
}

// keep makes the domain and keeps it in a file, if that is not there yet.
func (d *Domain) keep(ctx context.Context, name string) error {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const script = `mkdir -p $0 && printf '[global]\n\tnetbios name = %s\n' "$3" >$0/base.conf && cd $0 &&
		samba-tool domain provision -s $0/base.conf --targetdir=$0 --realm=$1 --domain=$2 --host-name=$3 --host-ip=192.0.2.1 --server-role=dc \
			--dns-backend=SAMBA_INTERNAL --adminpass=Provision-12345 --use-rfc2307 >$0/provision.log 2>&1 || { tail -5 $0/provision.log >&2; exit 1; }
		tar -C $0 --xattrs --xattrs-include='*' --acls -czf - .`
	archive, err := d.DC.Run(ctx, lab.Command{Args: []string{"sh", "-c", script, home, d.Realm, d.NetBIOS, d.DC.Name()}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(CacheDir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(CacheDir, ".ad-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(archive)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
