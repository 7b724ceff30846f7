package augment

// Plan says how a session changes. The zero value changes nothing. The fields
// are in the order in which they are applied: what people and programs do, what
// is made of it, how it is cut, what the network does, what is captured.
type Plan struct {
	Keys     Obfuscation
	Style    Style
	Writes   Writes
	Others   Others
	Cipher   Cipher
	Padding  Padding
	Layers   [2]Layer // the innermost first
	Segments Segments
	Network  Network
	Offload  Offload
	Capture  Capture
}

func (p *Plan) apply(d *draft) {
	p.Keys.apply(d)
	p.Style.apply(d)
	p.Writes.apply(d)
	p.Others.apply(d)
	p.Cipher.apply(d)
	p.Padding.apply(d)
	for _, y := range p.Layers {
		y.apply(d)
	}
	p.Segments.apply(d)
	p.Network.apply(d)
	p.Offload.apply(d)
	p.Capture.apply(d)
}
