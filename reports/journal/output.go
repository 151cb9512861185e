package journal

import (
	"errors"
	"io"
	"io/fs"
)

// An output is a file that only ever grows by whole lines.
type output struct {
	name string
	file appendFile
	size int64 // up to the end of the last whole line
	torn int64 // bytes after it that a failed write left and nobody could take back
}

// An appendFile is what an output needs of an *os.File opened to append, the
// errors that name the file among it.
type appendFile interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// write appends whole lines, all of them or none.
func (o *output) write(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if o.torn > 0 && o.file.Truncate(o.size) == nil {
		o.torn = 0
	}
	if o.torn > 0 {
		// The half line cannot be taken back; end it, so that it spoils only
		// itself.
		n, err := o.file.Write([]byte("\n"))
		if err != nil {
			o.torn += int64(n)
			return err
		}
		o.size, o.torn = o.size+o.torn+1, 0
	}
	n, err := o.file.Write(lines)
	if err == nil && n < len(lines) {
		err = &fs.PathError{Op: "write", Path: o.name, Err: io.ErrShortWrite}
	}
	if err != nil {
		o.torn = int64(n)
		if n > 0 && o.file.Truncate(o.size) == nil {
			o.torn = 0
		}
		return err
	}
	o.size += int64(n)
	return nil
}

// takeBack removes what was written past size, if it can.
func (o *output) takeBack(size int64) {
	if o.size > size && o.file.Truncate(size) == nil {
		o.size = size
	}
}

func (o *output) close() error {
	return errors.Join(o.file.Sync(), o.file.Close())
}
