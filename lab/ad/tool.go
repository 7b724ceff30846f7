package ad

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf16"

	"tyto/lab"
)

// NewToolCopy draws an errand that copies programs into the directory for
// temporary files of an administrative share, looks whether they are there, and
// perhaps removes them. The programs have a form but do nothing.
func NewToolCopy(share string, tools, size int, clean bool, rng *rand.Rand) *Errand {
	e := &Errand{Share: share, Dir: "Temp", Remote: map[string]string{}, Local: map[string]string{}}
	for range 1 + rng.IntN(6) {
		e.Remote[fmt.Sprintf("tmp%04X.tmp", rng.IntN(1<<16))] = lab.Random(rng.IntN(3000), rng)
	}
	if rng.IntN(2) == 0 {
		e.Steps = append(e.Steps, Step{Op: "list"})
	}
	for i := range tools {
		name := fmt.Sprintf("%s%d.%s", []string{"svc", "update", "agent", "diag", "winupd"}[rng.IntN(5)], i, []string{"exe", "exe", "dll", "ps1"}[rng.IntN(4)])
		content := "MZ" + lab.Random(size/2+rng.IntN(size), rng)
		e.Local[name] = content
		e.Steps = append(e.Steps, Step{Op: "put", Name: name, Size: len(content)})
	}
	if rng.IntN(2) == 0 {
		e.Steps = append(e.Steps, Step{Op: "list"})
	}
	if clean {
		for _, name := range sorted(e.Local) {
			e.Steps = append(e.Steps, Step{Op: "delete", Name: name})
		}
	}
	return e
}

// NTHash is the NT hash of a password, in hexadecimal, made on a host by
// OpenSSL.
func NTHash(ctx context.Context, h *lab.Host, password string) (string, error) {
	var text []byte
	for _, u := range utf16.Encode([]rune(password)) {
		text = binary.LittleEndian.AppendUint16(text, u)
	}
	out, err := h.Run(ctx, lab.Command{Args: []string{"openssl", "dgst", "-provider", "legacy", "-md4", "-r"}, Stdin: strings.NewReader(string(text))})
	if err != nil {
		return "", err
	}
	hash, _, _ := strings.Cut(string(out), " ")
	if len(hash) != 32 {
		return "", fmt.Errorf("openssl made the hash %q", out)
	}
	return hash, nil
}
