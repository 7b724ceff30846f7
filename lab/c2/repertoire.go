package c2

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"time"
)

// repertoire is all that an agent can be told to run: programs that look at the
// host and change nothing, and what they print in any case.
var repertoire = map[string]struct {
	args []string
	want string
}{
	"whoami":      {[]string{"id"}, "uid=0(root)"},
	"system":      {[]string{"uname", "-a"}, "Linux"},
	"processes":   {[]string{"ps", "aux"}, "COMMAND"},
	"addresses":   {[]string{"ip", "addr"}, "eth0"},
	"routes":      {[]string{"ip", "route"}, "default"},
	"connections": {[]string{"ss", "-tanp"}, "State"},
	"files":       {[]string{"ls", "-la"}, "total"},
	"users":       {[]string{"cat", "/etc/passwd"}, "root:x:0:0"},
	"groups":      {[]string{"cat", "/etc/group"}, "root:x:0"},
	"release":     {[]string{"cat", "/etc/os-release"}, "VERSION_ID"},
	"disks":       {[]string{"df", "-h"}, "Use%"},
	"memory":      {[]string{"cat", "/proc/meminfo"}, "MemFree"},
	"hosts":       {[]string{"cat", "/etc/hosts"}, "localhost"},
	"programs":    {[]string{"ls", "-l", "/usr/bin"}, "total"},
}

// perform runs a command of the repertoire.
func perform(ctx context.Context, name string) ([]byte, error) {
	c, ok := repertoire[name]
	if !ok {
		return nil, fmt.Errorf("%q is not in the repertoire", name)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.args[0], c.args[1:]...).CombinedOutput()
	if len(out) > maxCommandOutput {
		out = out[:maxCommandOutput]
	}
	return out, err
}

// maxCommandOutput is how much of a command's output is sent.
const maxCommandOutput = 24 << 10

// drawCommand draws a name of the repertoire. Small answers only are for
// channels that carry little.
func drawCommand(small bool, rng *rand.Rand) string {
	names := slices.Sorted(maps.Keys(repertoire))
	for {
		name := names[rng.IntN(len(names))]
		if !small || name != "programs" && name != "processes" && name != "memory" && name != "users" && name != "groups" {
			return name
		}
	}
}
