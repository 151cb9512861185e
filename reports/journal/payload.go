package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A payload is the counts of a histogram as the HdrHistogram V2 encoding has
// them before compression: in index order, zig-zag LEB128, a positive number
// for a count and a negative one for a run of that many zeros. The journal
// keeps intervals in memory this way: an eight-hour run has half a million.

// appendPayload appends h's payload to dst.
func appendPayload(dst []byte, h *hdrhistogram.PackedHistogram) []byte {
	next := 0 // the first index that is not written
	put := func(i int, n int64) {
		switch zeros := i - next; {
		case n == 0:
			return
		case zeros == 1:
			dst = append(dst, 0)
		case zeros > 1:
			dst = appendZigZag(dst, -int64(zeros))
		}
		dst = appendZigZag(dst, n)
		next = i + 1
	}
	// By value, not by the library's index: h may have another geometry, in
	// which several of its buckets are one of ours.
	at, held := 0, int64(0)
	for v, n := range h.ForEachBucket {
		if i := indexOf(clamp(v)); i != at {
			put(at, held)
			at, held = i, 0
		}
		held += n
	}
	put(at, held)
	return dst
}

// eachCount calls f with the index and count of every bucket of a payload
// that is not empty, in index order. It returns an error for a payload that is
// not one; f may have been called before that is seen.
func eachCount(payload []byte, f func(i int, n int64)) error {
	i := 0
	for len(payload) > 0 {
		n, size := zigZag(payload)
		if size == 0 {
			return errors.New("counts cut short")
		}
		payload = payload[size:]
		if n < 0 {
			if n < -countsLen {
				return fmt.Errorf("a run of %d zeros in %d counts", -n, countsLen)
			}
			i += int(-n)
			continue
		}
		if i >= countsLen {
			return fmt.Errorf("more than %d counts", countsLen)
		}
		if n > 0 {
			f(i, n)
		}
		i++
	}
	if i > countsLen {
		return fmt.Errorf("more than %d counts", countsLen)
	}
	return nil
}

// maxTotal is more than any second holds, and so little that damaged counts
// cannot add up past the range of a number.
const maxTotal = 1 << 50

// total returns how many values a payload counts, or an error if it is not a
// payload.
func total(payload []byte) (int64, error) {
	var sum int64
	past := false
	err := eachCount(payload, func(_ int, n int64) {
		past = past || n > maxTotal-sum
		sum += n
	})
	if err == nil && past {
		err = fmt.Errorf("more than %d values in one interval", int64(maxTotal))
	}
	return sum, err
}

// appendZigZag and zigZag write and read one number as the format's LEB128
// variant does: seven bits a byte, the ninth byte all eight.
func appendZigZag(dst []byte, n int64) []byte {
	u := uint64(n<<1) ^ uint64(n>>63)
	for range 8 {
		if u < 0x80 {
			return append(dst, byte(u))
		}
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func zigZag(b []byte) (n int64, size int) {
	var u uint64
	for i, c := range b[:min(len(b), 9)] {
		if i == 8 || c < 0x80 {
			u |= uint64(c) << (7 * i)
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
		u |= uint64(c&0x7f) << (7 * i)
	}
	return 0, 0
}

// The headers of the V2 encoding, inside and around the compression.
const (
	cookie           = 0x1c849303 | 0x10
	cookieCompressed = 0x1c849304 | 0x10
	headerLen        = 40
)

// appendHeader appends the header that goes before a payload of n bytes.
func appendHeader(dst []byte, n int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, cookie)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	dst = binary.BigEndian.AppendUint32(dst, 0) // normalizing index offset
	dst = binary.BigEndian.AppendUint32(dst, significantDigits)
	dst = binary.BigEndian.AppendUint64(dst, uint64(lowestValue))
	dst = binary.BigEndian.AppendUint64(dst, uint64(highestValue))
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(1)) // integer to double ratio
}

// payloadOf returns what follows the header of an encoded histogram.
func payloadOf(encoded []byte) ([]byte, error) {
	if len(encoded) < headerLen {
		return nil, errors.New("histogram shorter than its header")
	}
	if got := binary.BigEndian.Uint32(encoded) &^ 0xf0; got != cookie&^0xf0 {
		return nil, fmt.Errorf("not a V2 histogram (cookie %#x)", got)
	}
	payload := encoded[headerLen:]
	if n := binary.BigEndian.Uint32(encoded[4:]); uint64(n) != uint64(len(payload)) {
		return nil, fmt.Errorf("histogram of %d bytes where its header says %d", len(payload), n)
	}
	digits := binary.BigEndian.Uint32(encoded[12:])
	low, high := binary.BigEndian.Uint64(encoded[16:]), binary.BigEndian.Uint64(encoded[24:])
	if digits != significantDigits || low != uint64(lowestValue) || high != uint64(highestValue) {
		return nil, fmt.Errorf("histogram of %d..%d with %d digits, not the journal's", low, high, digits)
	}
	return payload, nil
}
