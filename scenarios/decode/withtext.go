package decode

// WithText is a scalar with another text at the same place; n itself stays as
// it is. It serves texts that are completed from elsewhere in the file. The
// place of a part of it is a guess.
func (n Node) WithText(text string) Node {
	v := n.at()
	v.kind, v.text = Scalar, text
	n.v = &v
	return n
}
