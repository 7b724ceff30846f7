package desk

import (
	"context"

	"tyto/lab"
	"tyto/lab/sshmore"
)

// LetOn lets the user of one desk log in at another by key, as "db1", whose key
// they know.
func LetOn(ctx context.Context, from, to *sshmore.Desk) error {
	dir := "/home/" + from.User + "/.ssh"
	const script = `mkdir -p "$1" && ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1/id_ed25519" && chown -R "$2": "$1" && chmod 700 "$1"`
	if _, err := from.Host.Run(ctx, lab.Command{Args: []string{"sh", "-c", script, "sh", dir, from.User}}); err != nil {
		return err
	}
	key, err := to.Host.Read(hostKeyFile + ".pub")
	if err != nil {
		return err
	}
	if err := from.Host.Write(dir+"/known_hosts", "db1 "+string(key), 0o644); err != nil {
		return err
	}
	public, err := from.Host.Read(dir + "/id_ed25519.pub")
	if err != nil {
		return err
	}
	return to.Allow(ctx, string(public))
}
