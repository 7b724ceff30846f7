package nn

// slab hands out slices of growing chunks and takes them all back at once. What
// it hands out has arbitrary contents.
type slab[T any] struct {
	chunks  [][]T
	current int
	offset  int
}

type (
	arena     = slab[float32]
	wideArena = slab[float64]
)

// chunkSize is the size of the first chunk, in elements.
const chunkSize = 1 << 16

func (a *slab[T]) take(n int) []T {
	for {
		if a.current == len(a.chunks) {
			a.chunks = append(a.chunks, make([]T, max(n, chunkSize<<min(len(a.chunks), 8))))
		}
		if c := a.chunks[a.current]; a.offset+n <= len(c) {
			s := c[a.offset : a.offset+n : a.offset+n]
			a.offset += n
			return s
		}
		a.current++
		a.offset = 0
	}
}

func (a *slab[T]) reset() { a.current, a.offset = 0, 0 }
