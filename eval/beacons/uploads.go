package beacons

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"tyto/detection"
	"tyto/detection/exfil"
	"tyto/packet"
	"tyto/session"
)

// uploader is a kind of upload.
type uploader struct {
	name     string
	source   string
	hostile  bool
	shared   int // destinations that many devices use, in a site
	users    int // devices that upload to each
	visitors int // devices that visit each and upload nothing much
	single   int // destinations of one device, in a site
	days     int // on how many days before it was done as well
	low      float64
	high     float64 // bytes in all, of a day
	parts    [2]float64
	hours    float64 // over which the parts are
	back     float64 // share of what is sent that comes back
	app      string
	nameless float64
	staged   float64 // chance that as much came from a machine inside before
}

const megabyte = 1e6

// uploaders are exfiltration, and uploads that look alike.
var uploaders = []uploader{
	{name: "one upload over HTTPS", source: "T1041, T1048.002", hostile: true, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{1, 1}, app: "tls", nameless: 0.3, staged: 0.5},
	{name: "chunks over hours", source: "T1030", hostile: true, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{20, 200}, hours: 6, app: "tls", nameless: 0.3, staged: 0.5},
	{name: "over SSH or SFTP", source: "T1048.002", hostile: true, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{1, 5}, hours: 1, app: "ssh", nameless: 0.7, staged: 0.5},
	{name: "over a protocol of its own", source: "T1048.003, T1095", hostile: true, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{1, 10}, hours: 2, app: "unknown", nameless: 0.7, staged: 0.5},
	{name: "through the controller's sessions", source: "T1041: results of a beacon", hostile: true, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{50, 400}, hours: 8, back: 0.08, app: "tls", nameless: 0.25, staged: 0.5},
	{name: "to a cloud store that others visit", source: "T1567.002", hostile: true, visitors: 60, low: 50 * megabyte, high: 50 * megabyte, parts: [2]float64{1, 20}, hours: 1, app: "tls", staged: 0.5},

	{name: "backup of all", source: "agents of cloud backups: each night", shared: 1, users: 300, days: 7, low: 20 * megabyte, high: 3000 * megabyte, parts: [2]float64{5, 60}, hours: 3, back: 0.01, app: "tls"},
	{name: "backup of one server", source: "the same, of a server or a store of files: each night", single: 4, days: 7, low: 100 * megabyte, high: 20_000 * megabyte, parts: [2]float64{2, 60}, hours: 4, back: 0.01, app: "tls", nameless: 0.2},
	{name: "cloud sync", source: "synchronised folders: what people work on, both ways", shared: 4, users: 150, visitors: 300, days: 7, low: 1 * megabyte, high: 500 * megabyte, parts: [2]float64{5, 80}, hours: 8, back: 0.5, app: "tls"},
	{name: "video upload", source: "sites that many watch and few upload to", shared: 2, users: 6, visitors: 400, low: 50 * megabyte, high: 2000 * megabyte, parts: [2]float64{1, 8}, hours: 1, back: 0.005, app: "quic", staged: 0.2},
	{name: "git push", source: "a repository host that a team uses", shared: 2, users: 40, visitors: 60, days: 4, low: 0.1 * megabyte, high: 60 * megabyte, parts: [2]float64{1, 12}, hours: 8, back: 0.3, app: "ssh"},
	{name: "mail with attachments", source: "the site's mail provider", shared: 1, users: 600, days: 7, low: 1 * megabyte, high: 60 * megabyte, parts: [2]float64{10, 60}, hours: 8, back: 0.6, app: "tls"},
	{name: "file sent to a customer", source: "transfer services: now and then, by some; and customers' own servers", shared: 3, users: 4, visitors: 20, single: 2, low: 5 * megabyte, high: 800 * megabyte, parts: [2]float64{1, 6}, hours: 0.5, back: 0.01, app: "tls", nameless: 0.05, staged: 0.4},
	{name: "logs of a server", source: "log services, all day", single: 6, days: 7, low: 20 * megabyte, high: 800 * megabyte, parts: [2]float64{100, 400}, hours: 22, back: 0.02, app: "tls"},
	{name: "crash dump", source: "a program's vendor, once", shared: 3, users: 10, visitors: 200, low: 5 * megabyte, high: 120 * megabyte, parts: [2]float64{1, 3}, hours: 0.2, back: 0.01, app: "tls"},
	{name: "camera to its cloud", source: "all day", single: 8, days: 7, low: 50 * megabyte, high: 3000 * megabyte, parts: [2]float64{40, 300}, hours: 22, back: 0.03, app: "tls", nameless: 0.2},
	{name: "video calls", source: "as much both ways", shared: 3, users: 300, days: 5, low: 50 * megabyte, high: 900 * megabyte, parts: [2]float64{1, 6}, hours: 6, back: 0.9, app: "quic"},
	{name: "web forms and pages", source: "browsing: far more comes than goes", shared: 30, users: 60, single: 300, days: 2, low: 0.05 * megabyte, high: 3 * megabyte, parts: [2]float64{5, 80}, hours: 8, back: 12, app: "tls", nameless: 0.02},
}

// upload is what one device sends to one destination.
type upload struct {
	kind   *uploader
	device int
	party  detection.Party
	list   []*detection.Session
	score  float64
}

func (u *upload) key() string { return device(u.device).String() + ">" + u.party.String() }

// uploads makes a site's week, the last day of which counts, with each kind of
// exfiltration some times on it.
func uploads(seed uint64, each int) (list []*upload) {
	r := rand.New(rand.NewPCG(seed, 0x6578))
	n := 0
	destination := func(k *uploader) detection.Party {
		n++
		p := detection.Party{Addr: packet.Addr4([]byte{203, 0, byte(n >> 8), byte(n)}), Domain: fmt.Sprintf("store%d.example", n)}
		if r.Float64() < k.nameless {
			p.Domain = ""
		}
		return p
	}
	for i := range uploaders {
		k := &uploaders[i]
		shared, single := k.shared, k.single
		if k.hostile {
			single = each
		}
		for range shared + single {
			users, visitors := k.users, k.visitors
			if k.shared == 0 || shared == 0 {
				users = 1
			}
			p := destination(k)
			if shared > 0 {
				shared--
			} else {
				users = 1
				if !k.hostile {
					visitors = 0
				}
			}
			who := r.Perm(fleetDevices)
			for _, d := range who[:users] {
				list = append(list, newUpload(r, k, d, p))
			}
			for _, d := range who[users : users+visitors] {
				v := &upload{kind: &visiting, device: d, party: p}
				v.session(-float64(r.IntN(6))*day+9*hour+8*hour*r.Float64(), 4000, 90_000, "tls")
				list = append(list, v)
			}
		}
	}
	return list
}

// visiting is what others do at a destination.
var visiting = uploader{name: "visits"}

func newUpload(r *rand.Rand, k *uploader, d int, p detection.Party) *upload {
	u := &upload{kind: k, device: d, party: p}
	for back := k.days; back >= 0; back-- {
		if back > 0 && r.Float64() < 0.1 {
			continue // not that day
		}
		total, parts := logEven(r, k.low, k.high), logEven(r, k.parts[0], k.parts[1])
		begin := -float64(back)*day + (7+9*r.Float64())*hour
		if k.hours > 9 {
			begin = -float64(back)*day + hour
		}
		if r.Float64() < k.staged {
			s := &detection.Session{App: "smb", State: "SF", Home: [2]bool{true, true}, Bytes: [2]uint64{90_000, uint64(total * (1 + 2*r.Float64()))}, Packets: [2]uint64{9, 9}}
			s.UID = session.UID{uint64(d)<<32 | 0xffff, 445}
			s.First = epoch + int64((begin-1000)*1e9)
			s.Last = s.First + 300e9
			s.Tuple = session.Tuple{Orig: device(d), Resp: device(1500), RespPort: 445, Proto: 6}
			u.list = append(u.list, s)
		}
		n := int(parts)
		for range n {
			u.session(begin+k.hours*hour*r.Float64(), total/float64(n), 3000+total/float64(n)*k.back, k.app)
		}
	}
	return u
}

func (u *upload) session(at, out, in float64, app string) {
	s := &detection.Session{App: app, Domain: u.party.Domain, State: "SF", Home: [2]bool{true, false}, Bytes: [2]uint64{uint64(out), uint64(in)}, Packets: [2]uint64{9, 9}}
	s.UID = session.UID{uint64(u.device)<<32 | uint64(len(u.list)), 443}
	s.First = epoch + int64(at*1e9)
	s.Last = s.First + 5e9
	s.Tuple = session.Tuple{Orig: device(u.device), Resp: u.party.Addr, RespPort: 443, Proto: 6}
	u.list = append(u.list, s)
}

// measureUploads runs the detector over sites.
func measureUploads(seed uint64, sites, each int) (all []*upload) {
	for i := range sites {
		list := uploads(seed+uint64(i), each)
		var sessions []*detection.Session
		for _, u := range list {
			sessions = append(sessions, u.list...)
		}
		inOrder(sessions)
		d := exfil.New()
		var l detection.Ledger
		for _, s := range sessions {
			d.Session(s, &l)
		}
		d.Finish(&l)
		scores := make(map[string]float64)
		for _, f := range l.All() {
			scores[f.Key] = f.Score()
		}
		for _, u := range list {
			u.score = scores[u.key()]
		}
		all = append(all, list...)
	}
	return all
}

// inOrder sorts sessions as they end.
func inOrder(list []*detection.Session) {
	slices.SortStableFunc(list, func(a, b *detection.Session) int { return cmp.Compare(a.Last, b.Last) })
}
