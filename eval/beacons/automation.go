package beacons

import (
	"math"
	"math/rand/v2"
)

// automation is a kind of benign program that comes back to a destination of its
// own accord. The zero value of a field means that the program does not do that.
type automation struct {
	name   string
	source string // where it is described, or what is assumed
	held   bool   // no network is trained on it
	// destinations in a site of 1,000 devices, by how many devices use each.
	shared, users int
	single        int // destinations that one device uses

	periods  []float64 // one is drawn, s
	rate     bool      // timers that do not drift: the next time is counted from the last planned one
	clock    float64   // contacts are at whole multiples of the period, plus up to this delay
	random   float64   // up to this share of the period is added each time
	early    float64   // chance of one in between, when something happens
	backoff  float64   // chance that the server fails, and the program tries again after 1, 2, 4 … minutes
	attended bool      // only while a person uses the device
	hidden   bool      // a page whose timers slow down to one a minute or five while hidden
	up       [2]float64
	down     [2]float64
	vary     float64 // of sizes: standard deviation of the logarithm
	news     float64 // chance that there is something new
	newDown  [2]float64
	newUp    [2]float64
	app      string // "tls" if empty
}

// automations are what real programs do. Numbers of destinations are assumptions
// about an ordinary office; the detector is not told them.
var automations = []automation{
	{name: "clock (NTP)", source: "RFC 5905: poll interval 64 to 1,024 s, adapted", shared: 3, users: 700, single: 5,
		periods: []float64{64, 128, 256, 512, 1024}, random: 0.03, up: [2]float64{48, 49}, down: [2]float64{48, 49}, app: "ntp"},
	{name: "telemetry at fixed gaps", source: "SCIENCE C.1's benign telemetry: 300 s, give or take 2 %; Datadog's agent flushes each 15 s", shared: 6, users: 500, single: 25,
		periods: []float64{15, 60, 300, 300, 600, 900}, random: 0.02, up: [2]float64{700, 9000}, down: [2]float64{200, 900}, vary: 0.25},
	{name: "mail polled", source: "Thunderbird's default: each 10 minutes; RFC 2177: IDLE again within 29 minutes", shared: 1, users: 700, single: 40,
		periods: []float64{60, 300, 600, 600, 900, 1740}, attended: true, up: [2]float64{600, 1600}, down: [2]float64{400, 5000}, vary: 0.02, news: 0.08, newDown: [2]float64{3000, 400_000}, early: 0.03},
	{name: "update check with back-off", source: "Safe Browsing v4: MIN(2^(N-1) x 15 min x (1+RAND), 24 h) after failures; Omaha: each 295 minutes; apt-daily.timer: twice a day, RandomizedDelaySec=12h", shared: 10, users: 600, single: 40,
		periods: []float64{1800, 1800, 3600, 17700, 43200}, random: 0.1, backoff: 0.08, up: [2]float64{600, 2500}, down: [2]float64{400, 9000}, vary: 0.05, news: 0.05, newDown: [2]float64{20_000, 5e7}},
	{name: "push keepalive", source: "FCM: heartbeats each 15 (Wi-Fi) or 28 minutes; WebSocket pings each 20 to 60 s (RFC 6455, 5.5.2); MQTT keep-alive 60 s", shared: 5, users: 500, single: 30,
		periods: []float64{25, 30, 60, 60, 240, 900, 1680}, random: 0.01, early: 0.05, up: [2]float64{30, 300}, down: [2]float64{30, 300}, news: 0.06, newDown: [2]float64{300, 6000}},
	{name: "monitoring", source: "Prometheus: scrape_interval 1m by default, at a fixed offset; Zabbix active agents: 1 to 2 minutes; Nagios: check_interval 5 minutes", shared: 5, users: 30, single: 30,
		periods: []float64{10, 15, 30, 60, 60, 120, 300}, rate: true, up: [2]float64{150, 1500}, down: [2]float64{300, 40_000}, vary: 0.03},
	{name: "chat by long poll", source: "Matrix: /sync with timeout=30000 that returns early on news; Telegram Bot API: getUpdates, timeout up to 50 s", shared: 4, users: 200, single: 20,
		periods: []float64{25, 30, 50, 55}, early: 0.25, attended: true, up: [2]float64{500, 1500}, down: [2]float64{200, 900}, vary: 0.03, news: 0.2, newDown: [2]float64{500, 8000}, newUp: [2]float64{600, 4000}},
	{name: "software licence", source: "FlexNet: heartbeats each 2 to 20 minutes while the program is used", shared: 8, users: 12, single: 30,
		periods: []float64{120, 300, 600, 900, 1200}, attended: true, random: 0.01, up: [2]float64{200, 1200}, down: [2]float64{150, 1200}},
	{name: "antivirus", source: "freshclam: Checks 12 to 24 a day, at a random minute; cloud lookups as files are opened", shared: 4, users: 700, single: 6,
		periods: []float64{600, 3600, 3600, 7200}, random: 0.05, early: 0.15, up: [2]float64{400, 1500}, down: [2]float64{200, 900}, vary: 0.1, news: 0.1, newDown: [2]float64{20_000, 3e6}},
	{name: "browser in the background", source: "Firefox: Remote Settings each 24 h, push, telemetry pings; Chrome: component updates each 5 h, variations each 30 minutes", shared: 8, users: 700, single: 10, held: true,
		periods: []float64{1800, 1800, 7200, 18000}, random: 0.2, attended: true, early: 0.1, up: [2]float64{600, 5000}, down: [2]float64{400, 9000}, vary: 0.3, news: 0.1, newDown: [2]float64{4000, 400_000}},
	{name: "cron on the minute", source: "crontab(5): tasks begin with the minute; a script needs up to a few seconds until it connects", shared: 2, users: 20, single: 60,
		periods: []float64{60, 120, 300, 300, 600, 900}, clock: 3, up: [2]float64{200, 4000}, down: [2]float64{150, 9000}, vary: 0.05, news: 0.03, newDown: [2]float64{2000, 60_000}},
	{name: "cron on the hour", source: "crontab(5), @hourly; run-parts begins after what comes before it", shared: 2, users: 20, single: 30, held: true,
		periods: []float64{3600, 3600, 7200, 21600}, clock: 40, up: [2]float64{200, 4000}, down: [2]float64{150, 40_000}, vary: 0.05, news: 0.05, newDown: [2]float64{5000, 600_000}},
	{name: "feeds (RSS)", source: "RSS 2.0: ttl in minutes; Thunderbird: 100 minutes by default; readers ask each 30 to 60 minutes, with If-None-Match", shared: 5, users: 3, single: 60,
		periods: []float64{900, 1800, 3600, 3600, 6000}, rate: true, attended: true, up: [2]float64{500, 1000}, down: [2]float64{300, 4000}, vary: 0.01, news: 0.15, newDown: [2]float64{5000, 150_000}},
	{name: "page that refreshes itself", source: "setInterval; browsers slow hidden pages' timers to one a minute (HTML living standard, 8.6; Chrome's intensive throttling)", shared: 20, users: 6, single: 100,
		periods: []float64{5, 10, 15, 30, 60, 60, 300}, hidden: true, attended: true, up: [2]float64{600, 2500}, down: [2]float64{300, 30_000}, vary: 0.04, early: 0.04, news: 0.1, newDown: [2]float64{1000, 60_000}},
	{name: "build runner", source: "GitLab runner: check_interval 3 s; Jenkins: H/5, H/15 * * * *; git fetch of an editor each 180 s", shared: 2, users: 10, single: 15, held: true,
		periods: []float64{3, 10, 180, 180, 300}, up: [2]float64{600, 2000}, down: [2]float64{200, 1500}, vary: 0.02, news: 0.02, newDown: [2]float64{4000, 1e6}, newUp: [2]float64{2000, 200_000}},
	{name: "managed devices (benign work)", source: "Puppet: runinterval 30 minutes, splay; MDM and remote management check in each 1 to 15 minutes and are given work", shared: 3, users: 300, single: 4,
		periods: []float64{60, 120, 300, 900, 1800}, random: 0.1, up: [2]float64{500, 3000}, down: [2]float64{300, 3000}, vary: 0.1, news: 0.02, newDown: [2]float64{2000, 400_000}, newUp: [2]float64{2000, 60_000}},
	{name: "things (cameras, printers, plugs)", source: "MQTT and HTTPS reports to a vendor's cloud, each minute to each quarter", shared: 3, users: 12, single: 40,
		periods: []float64{10, 30, 60, 60, 300, 900}, random: 0.02, early: 0.05, up: [2]float64{80, 1500}, down: [2]float64{40, 600}, vary: 0.03},
	{name: "heartbeat of constant size", source: "Wazuh agents: notify_time 10 to 60 s; Elastic Agent and endpoint protection check in each 30 s to 5 minutes; curl to a health check from a loop with sleep", shared: 4, users: 400, single: 15,
		periods: []float64{10, 30, 60, 60, 300, 600, 3600}, random: 0.01, up: [2]float64{250, 1600}, down: [2]float64{120, 900}},
	{name: "synchronised folders", source: "Dropbox API, list_folder/longpoll: timeout 30 to 480 s, to which the server adds up to 90 s of random jitter", shared: 3, users: 150, single: 10,
		periods: []float64{30, 60, 120, 480}, random: 0.6, early: 0.03, attended: true, up: [2]float64{500, 1500}, down: [2]float64{200, 700}, news: 0.04, newDown: [2]float64{500, 500_000}, newUp: [2]float64{500, 500_000}},
	{name: "changing address told (ddclient)", source: "ddclient: daemon=300; routers ask a what-is-my-address service each 1 to 15 minutes", shared: 1, users: 5, single: 10,
		periods: []float64{60, 300, 300, 600, 900}, random: 0.005, up: [2]float64{120, 700}, down: [2]float64{120, 600}},
	{name: "tunnel kept alive", source: "WireGuard: PersistentKeepalive = 25; OpenVPN: ping 10", shared: 1, users: 80, single: 8,
		periods: []float64{10, 25, 25, 60}, early: 0.1, up: [2]float64{32, 120}, down: [2]float64{32, 120}, news: 0.1, newDown: [2]float64{200, 60_000}, newUp: [2]float64{200, 60_000}, app: "wireguard"},
	{name: "measurement of visits", source: "Beacon API (W3C): sendBeacon each 5 to 60 s of a visible page, and when it is left", shared: 15, users: 100, single: 60,
		periods: []float64{5, 10, 15, 30, 60}, hidden: true, attended: true, early: 0.2, up: [2]float64{600, 3000}, down: [2]float64{150, 600}, vary: 0.2},
	{name: "clients that retry with full jitter", source: "AWS Architecture Blog, Exponential Backoff and Jitter: sleep is random between 0 and min(cap, base x 2^attempt)", shared: 2, users: 40, single: 8, held: true,
		periods: []float64{30, 60, 300}, backoff: 0.35, random: 1, up: [2]float64{300, 1500}, down: [2]float64{150, 900}, vary: 0.03},
}

// make makes the contacts of one device with one destination: those of the last
// day, or of ten days if they are rare; no more than a detector remembers.
func (a *automation) make(r *rand.Rand) []contact {
	m := maker{automation: a, r: r, wobble: sizeWobble(r), period: a.periods[r.IntN(len(a.periods))], random: a.random * float64(r.IntN(4)) / 2, up: logEven(r, a.up[0], a.up[1]), down: logEven(r, a.down[0], a.down[1])}
	if r.IntN(2) == 0 && a.clock == 0 {
		m.period *= logEven(r, 0.4, 2.5) // as configured here
	}
	first := 0.
	if m.period > 1000 {
		first = -9 * day
	}
	busy := attendance(r, first)
	at := first + m.period*r.Float64()
	if !a.attended {
		// It begins with the device, early or at any time of the first day.
		at = first + m.period*r.Float64() + float64(r.IntN(2))*r.Float64()*10*hour
	}
	for at < day && len(m.list) < 560 {
		if next, ok := busy.next(at); a.attended && !ok {
			break
		} else if a.attended && next > at {
			at = next + 5*r.Float64()
		}
		m.contact(at)
		at = m.next(at)
	}
	return m.list
}

type maker struct {
	*automation
	r        *rand.Rand
	period   float64
	random   float64
	wobble   [2]int
	up, down float64
	attempt  int
	slow     int // contacts for which a page stays hidden
	planned  float64
	list     []contact
}

// contact adds one contact.
func (m *maker) contact(at float64) {
	c := contact{at: at, up: m.up * math.Exp(m.vary*m.r.NormFloat64()), down: m.down * math.Exp(m.vary*m.r.NormFloat64())}
	if m.vary == 0 {
		c.up, c.down = m.up+float64(m.r.IntN(m.wobble[0])), m.down+float64(m.r.IntN(m.wobble[1]))
	}
	if m.r.Float64() < m.news {
		c.down += logEven(m.r, m.newDown[0], m.newDown[1])
		if m.newUp[1] > 0 {
			c.up += logEven(m.r, m.newUp[0], m.newUp[1])
		}
	}
	m.list = append(m.list, c)
}

// next returns when the next contact is.
func (m *maker) next(at float64) float64 {
	r := m.r
	if m.backoff > 0 && (m.attempt > 0 && r.Float64() < 0.5 || r.Float64() < m.backoff) {
		m.attempt = min(m.attempt+1, 6)
		return at + min(60*math.Pow(2, float64(m.attempt-1))*(1+r.Float64()), 8*hour)
	}
	m.attempt = 0
	if r.Float64() < m.early {
		return at + m.period*(0.02+0.95*r.Float64())
	}
	switch {
	case m.clock > 0:
		whole := math.Floor(at/m.period+1) * m.period
		return whole + m.clock*r.Float64()*r.Float64()
	case m.rate:
		if m.planned < at-m.period {
			m.planned = at
		}
		m.planned += m.period
		return m.planned + 0.02*r.ExpFloat64()
	case m.hidden:
		if m.slow == 0 && r.Float64() < 0.02 {
			m.slow = 1 + r.IntN(60)
		}
		if m.slow > 0 {
			m.slow--
			return at + max(m.period, 60) + 0.2*r.Float64()
		}
	}
	return at + m.period*(1+m.random*r.Float64()) + latency(r)
}

// presence is when a person uses a device: spans in order.
type presence [][2]float64

// attendance draws a person's days: from about 8:30 to 17:30 with breaks.
func attendance(r *rand.Rand, first float64) (p presence) {
	for from := first; from < day; from += day {
		at := from + 8.5*hour + hour*r.NormFloat64()*0.7
		for end := from + 17.5*hour + hour*r.NormFloat64()*0.8; at < end; {
			until := min(at+logEven(r, 0.3*hour, 4*hour), end)
			p = append(p, [2]float64{at, until})
			at = until + logEven(r, 0.1*hour, 1.5*hour)
		}
	}
	return p
}

// next returns the first time from at on when somebody is there, false if nobody
// comes again.
func (p presence) next(at float64) (float64, bool) {
	for _, s := range p {
		if at < s[1] {
			return max(at, s[0]), true
		}
	}
	return at, false
}

// person makes the contacts of somebody with one service: visits of some pages,
// each of them several connections of all sizes; or now and then a single one.
func person(r *rand.Rand) []contact {
	if r.Float64() < 0.3 {
		return nowAndThen(r)
	}
	var list []contact
	busy := attendance(r, 0)
	pause, between := logEven(r, 8, 90), logEven(r, 0.1*hour, 2*hour)
	spread, size := 0.8+0.8*r.Float64(), logEven(r, 900, 4000)
	for at := busy[0][0] + hour*r.ExpFloat64(); len(list) < 560; at += between * r.ExpFloat64() {
		var ok bool
		if at, ok = busy.next(at); !ok || at > day {
			break
		}
		for range 1 + r.IntN(12) {
			for range 1 + r.IntN(3) {
				list = append(list, contact{at, size * math.Exp(0.7*r.NormFloat64()), 6000 * math.Exp(spread*1.5*r.NormFloat64())})
			}
			at += pause * math.Exp(spread*r.NormFloat64())
		}
	}
	return list
}

// nowAndThen makes single requests at any time of somebody's day, of sizes that
// differ by a factor.
func nowAndThen(r *rand.Rand) []contact {
	var list []contact
	busy := attendance(r, 0)
	gap := logEven(r, 20, 0.5*hour)
	up, down := logEven(r, 400, 1500), logEven(r, 400, 9000)
	upFactor, downFactor := logEven(r, 2, 30), logEven(r, 10, 200)
	even := r.IntN(2) == 0
	for at := busy[0][0]; len(list) < 560; at += gap * r.ExpFloat64() {
		var ok bool
		if at, ok = busy.next(at); !ok || at > day {
			break
		}
		c := contact{at, logEven(r, up, up*upFactor), logEven(r, down, down*downFactor)}
		if even {
			c.up, c.down = up*(1+(upFactor-1)*r.Float64()), down*(1+(downFactor-1)*r.Float64())
		}
		list = append(list, c)
	}
	return list
}
