// Package tyto is the root of the tyto network traffic analysis engine. It
// holds no code but the tests of the architecture; start with ARCHITECTURE.md,
// and with cmd/tyto for the program.
package tyto
