package typist

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// files makes the content once; what is in it never varies.
var files = sync.OnceValue(func() map[string]string {
	rng := rand.New(rand.NewPCG(population, 1<<32))
	log, errors := serviceLog(rng)
	access, refused := accessLog(rng)
	all := map[string]string{
		"README.md":                  readme,
		"notes.txt":                  notes,
		"src/parse.sh":               parseScript,
		"src/report.sh":              reportScript,
		"src/check.sh":               checkScript,
		"tests/run.sh":               testScript,
		"conf/app.conf":              appConf,
		"conf/limits.conf":           "# requests a minute\nanonymous = 30\nmember = 600\nbatch = 6000\n",
		"data/requests.csv":          requests(rng),
		"data/hosts.csv":             hostList(rng),
		"logs/service.log":           log,
		"logs/access.log":            access,
		"documents/plan-2025.txt":    "Plan for 2025 (internal)\n\n" + strings.Repeat(Prose(40, rng)+"\n\n", 12),
		"documents/budget.csv":       budget(rng),
		"documents/contacts.txt":     contacts,
		"documents/minutes-0412.txt": "Minutes of 12 April\n\n" + strings.Repeat(Prose(30, rng)+"\n\n", 8),
		".config/deploy.ini":         deployConf,
		".netrc.old":                 "machine files.corp.example login m.ortiz password not-a-real-one\n",
	}
	all["expected"] = fmt.Sprintf("errors %d\nrefused %d\n", errors, refused)
	return all
})

const (
	readme = `# requests

Counts requests by customer and finds the slow ones.

    sh src/parse.sh data/requests.csv
    sh src/report.sh data/requests.csv
    sh tests/run.sh

## Layout

- src/parse.sh    one line a request, checked
- src/report.sh   sums by customer
- src/check.sh    tells malformed lines
- data/           samples
- logs/           of the service on the test host

TODO: the report should know about time zones.
`
	notes = `Quarterly review
- ask Jonas about the slow queries
- certificate of the mail gateway runs out in June
- move the old reports to the archive
- two new laptops for the field team
- check why the nightly copy took so long

Open questions
- who owns the print server?
- does the scanner still need its own network?
`
	parseScript = `#!/bin/sh
# Prints the requests of a CSV file that are well formed.
# TODO: read from standard input when there is no argument.
set -eu
file=${1:?file}
awk -F, '
NR == 1 { next }
NF != 5 { bad++; next }
$4 !~ /^[0-9]+$/ { bad++; next }
{ printf "%-10s %-8s %6d %4d\n", $2, $3, $4, $5 }
END { if (bad) print bad, "malformed" > "/dev/stderr" }
' "$file"
`
	reportScript = `#!/bin/sh
# Prints requests, bytes and slow requests by customer.
# TODO: time zones.
set -eu
file=${1:?file}
awk -F, '
NR > 1 { n[$2]++; bytes[$2] += $4; if ($5 > 500) slow[$2]++ }
END { for (c in n) printf "customer %-10s %6d requests %10d bytes %4d slow\n", c, n[c], bytes[c], slow[c] }
' "$file" | sort
`
	checkScript = `#!/bin/sh
# Tells the lines that do not have five fields.
set -eu
awk -F, 'NF != 5 { print FILENAME ":" NR ": " NF " fields"; bad = 1 } END { exit bad }' "${1:?file}"
`
	testScript = `#!/bin/sh
# Runs every script on the sample data.
cd "$(dirname "$0")/.." || exit 1
pass=0
for s in src/parse.sh src/report.sh src/check.sh; do
	printf 'test %s ... ' "$s"
	if sh "$s" data/requests.csv >/dev/null 2>&1; then
		pass=$((pass + 1))
		echo ok
	else
		echo FAILED
	fi
	sleep 0.2
done
echo "$pass of 3 passed"
`
	appConf = `# service
listen = 127.0.0.1:8080
workers = 4
timeout = 30
log_level = info

[storage]
path = /srv/requests
keep_days = 90

[mail]
relay = mail.corp.example
from = requests@corp.example
`
	deployConf = `[database]
host = db-2.corp.example
user = requests
password = not-a-real-one

[api]
token = lab-0000-0000-0000
`
	contacts = `Maria Ortiz      finance       ext 4117
Jonas Lind       development   ext 4142
Anna Kowal       operations    ext 4105
Help desk                      ext 4000
`
)

var customers = []string{"aldera", "borealis", "corvid", "dunmore", "estuary", "fjordal", "granite", "halcyon"}

func requests(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("time,customer,method,bytes,ms\n")
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	for range 400 {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(time.Minute)))
		fmt.Fprintf(&b, "%s,%s,%s,%d,%d\n", at.Format(time.RFC3339), one(rng, customers...), one(rng, "GET", "GET", "GET", "POST", "PUT"),
			200+rng.IntN(40000), 5+int(rng.ExpFloat64()*180))
	}
	return b.String()
}

func hostList(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("name,address,site,owner\n")
	for i := range 60 {
		fmt.Fprintf(&b, "%s-%02d,10.20.%d.%d,%s,%s\n", one(rng, "ws", "srv", "prn", "cam"), i, rng.IntN(8), 2+rng.IntN(250),
			one(rng, "north", "south", "harbour"), one(rng, "finance", "development", "operations", "sales"))
	}
	return b.String()
}

func budget(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("item,quarter,planned,spent\n")
	for _, item := range []string{"hardware", "licences", "travel", "training", "hosting", "consulting"} {
		for q := range 4 {
			fmt.Fprintf(&b, "%s,Q%d,%d,%d\n", item, q+1, 1000+rng.IntN(90000), 1000+rng.IntN(90000))
		}
	}
	return b.String()
}

func serviceLog(rng *rand.Rand) (log string, errors int) {
	var b strings.Builder
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	for i := range 600 {
		at = at.Add(time.Duration(rng.ExpFloat64() * 20 * float64(time.Second)))
		level, text := "INFO", fmt.Sprintf("request %d of %s done in %d ms", 10000+i, one(rng, customers...), 5+int(rng.ExpFloat64()*180))
		switch rng.IntN(25) {
		case 0:
			level, text = "ERROR", fmt.Sprintf("storage: write %08x: no space left on device", rng.Uint32())
			errors++
		case 1, 2:
			level, text = "WARN", fmt.Sprintf("worker %d restarted", 1+rng.IntN(4))
		}
		fmt.Fprintf(&b, "%s %-5s %s\n", at.Format("2006-01-02T15:04:05.000Z"), level, text)
	}
	return b.String(), errors
}

func accessLog(rng *rand.Rand) (log string, refused int) {
	var b strings.Builder
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	for range 500 {
		at = at.Add(time.Duration(rng.ExpFloat64() * 15 * float64(time.Second)))
		status := one(rng, 200, 200, 200, 200, 200, 304, 404, 403)
		if status == 403 {
			refused++
		}
		fmt.Fprintf(&b, "10.20.%d.%d - - [%s] \"GET /%s/%d HTTP/1.1\" %d %d \"-\" \"agent/%d.%d\"\n", rng.IntN(4), 2+rng.IntN(30), at.Format("02/Jan/2006:15:04:05 -0700"),
			one(rng, customers...), rng.IntN(300), status, 100+rng.IntN(30000), 1+rng.IntN(3), rng.IntN(10))
	}
	return b.String(), refused
}

var sentences = []string{
	"the %s of the %s was late again and nobody in %s knew why",
	"please look at the %s before the %s on %s",
	"we moved the %s to the %s and it has been quiet since %s",
	"after the %s there is a %s that we should not forget until %s",
	"the new %s works with the %s but not with the one from %s",
	"I have asked for the %s and for a better %s by %s",
	"there are three copies of the %s and only one %s since %s",
}

var (
	things = strings.Fields("report server printer archive copy gateway certificate backup meeting contract invoice laptop network list customer order delivery password switch cable desk phone calendar summary draft release branch review")
	whens  = strings.Fields("Monday Tuesday Wednesday Thursday Friday January March June September the-harbour the-north finance sales")
)

// Prose returns sentences of at least n words, for editors, mails and chats.
func Prose(n int, rng *rand.Rand) string {
	var b strings.Builder
	for words := 0; words < n; {
		s := fmt.Sprintf(one(rng, sentences...), one(rng, things...), one(rng, things...), strings.ReplaceAll(one(rng, whens...), "-", " "))
		words += len(strings.Fields(s))
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToUpper(s[:1]) + s[1:] + ".")
	}
	return b.String()
}
