package label

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// At returns the Time of t.
func At(t time.Time) Time { return Time(t.UnixNano()) }

// Time returns t as a time.Time, in UTC.
func (t Time) Time() time.Time { return time.Unix(0, int64(t)).UTC() }

// MarshalJSON writes seconds with nine decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	if t < 0 {
		return nil, fmt.Errorf("time %d is before the epoch", int64(t))
	}
	return fmt.Appendf(nil, "%d.%09d", t/1e9, t%1e9), nil
}

// UnmarshalJSON reads seconds with up to nine decimals and no exponent.
func (t *Time) UnmarshalJSON(text []byte) error {
	whole, fraction, _ := strings.Cut(string(text), ".")
	if len(fraction) > 9 {
		return fmt.Errorf("time %.40s has more than nine decimals", text)
	}
	seconds, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || seconds >= math.MaxInt64/1_000_000_000 {
		return fmt.Errorf("time %.40s is not in seconds since the epoch", text)
	}
	nanos, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 63)
	if err != nil {
		return fmt.Errorf("time %.40s is not in seconds since the epoch", text)
	}
	*t = Time(seconds*1e9 + nanos)
	return nil
}

// Duration returns s as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * 1e9) }
