package model

import (
	_ "embed"
	"sync"
)

//go:embed weights/session.model
var shippedFile []byte

// Shipped returns the model that is in the program.
var Shipped = sync.OnceValues(func() (*Model, error) { return Decode(shippedFile) })
