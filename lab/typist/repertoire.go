package typist

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// What the files contain, for the commands that count it.
func countLines(file, part string) string {
	n := 0
	for line := range strings.Lines(files()[file]) {
		if strings.Contains(line, part) {
			n++
		}
	}
	return fmt.Sprint(n)
}

func developer() []task {
	return []task{
		fixed(cmd("ls -l", "README.md"), cmd("cat REA\tDME.md", "Counts requests by customer")),
		fixed(cmd("ls src", "report.sh"), cmd("wc -l src/*.sh", "total")),
		either(
			fixed(cmd("cat src/pa\trse.sh", "Prints the requests")),
			fixed(cmd("sed -n 1,12p src/rep\tort.sh", "Prints requests, bytes")),
			fixed(cmd("head -20 src/ch\teck.sh", "do not have five fields"))),
		fixed(cmd("sh tests/ru\tn.sh", "3 of 3 passed")),
		fixed(cmd("grep -n TODO src/*.sh README.md", "src/report.sh:3:"), cmd("grep -c '' data/req\tuests.csv", countLines("data/requests.csv", ""))),
		func(rng *rand.Rand) []Command {
			n := one(rng, 5, 10, 15, 30)
			return []Command{
				cmd(fmt.Sprintf("head -%d data/req\tuests.csv", n), "time,customer,method"),
				cmd(fmt.Sprintf("sort -t, -k5 -n data/requests.csv | tail -%d", n), "2025-03-03T"),
			}
		},
		func(rng *rand.Rand) []Command {
			c := one(rng, customers...)
			return []Command{
				cmd("sh src/rep\tort.sh data/req\tuests.csv", "customer aldera"),
				cmd(fmt.Sprintf("sh src/parse.sh data/requests.csv | grep %s | wc -l", c), countLines("data/requests.csv", c)),
			}
		},
		func(rng *rand.Rand) []Command {
			dir := "build-" + tag(rng)
			return []Command{
				cmd("mkdir "+dir+" && cp src/*.sh "+dir, ""),
				cmd("ls -l "+dir, "parse.sh"),
				cmd(fmt.Sprintf("sed -i 's/> 500/> %d/' %s/report.sh", 100*(1+rng.IntN(4)), dir), ""),
				cmd(fmt.Sprintf("diff -u src/report.sh %s/report.sh", dir), "@@"),
				cmd(fmt.Sprintf("sh %s/report.sh data/requests.csv", dir), "customer halcyon"),
				cmd("rm -r "+dir, ""),
			}
		},
		func(rng *rand.Rand) []Command {
			name := "/tmp/src-" + tag(rng) + ".tar.gz"
			return []Command{
				cmd("tar czf "+name+" src tests", ""),
				cmd("tar tzvf "+name, "src/check.sh"),
				cmd("sha256sum "+name+" && rm "+name, "  /tmp/src-"),
			}
		},
		fixed(cmd("for f in src/*.sh; do sh -n $f && echo ok $f; done", "ok src/check.sh")),
		fixed(cmd("cd src", ""), cmd("ls -la", "check.sh"), cmd("cd ..", "")),
		fixed(cmd("find . -name '*.sh' -newer README.md", ""), cmd("find . -type f | wc -l", "")),
		fixed(cmd("awk -F, '{ n[$3]++ } END { for (m in n) print m, n[m] }' data/requests.csv", "POST "+countLines("data/requests.csv", ",POST,"))),
		func(rng *rand.Rand) []Command {
			line := Prose(8, rng)
			return []Command{
				cmd("echo '"+line+"' >> todo.txt", ""),
				cmd("tail -3 todo.txt", line),
			}
		},
		fixed(cmd("git --version || echo none installed", ""), cmd("date", "")),
	}
}

func administrator() []task {
	errors := countLines("logs/service.log", " ERROR ")
	return []task{
		fixed(cmd("uptime", "load average"), cmd("free -m", "Swap:")),
		fixed(cmd("w", "load average"), cmd("id", "uid=")),
		fixed(cmd("df -h .", "Use%"), cmd("du -sh *", "logs")),
		either(fixed(cmd("ps aux", "COMMAND")), fixed(cmd("ps aux --sort=-rss | head -15", "COMMAND")), fixed(cmd("ps -ef | head -30", "PPID"))),
		either(fixed(cmd("ss -tln", "Local Address")), fixed(cmd("ss -tan | head -20", "Peer Address")), fixed(cmd("ss -s", "Total:"))),
		either(fixed(cmd("ip addr", "LOOPBACK")), fixed(cmd("ip route", "")), fixed(cmd("ip -s link", "RX:"))),
		fixed(cmd("cat /etc/os-rel\tease", "VERSION_ID"), cmd("uname -a", "Linux")),
		func(rng *rand.Rand) []Command {
			n := one(rng, 20, 40, 80)
			return []Command{
				cmd(fmt.Sprintf("tail -%d logs/ser\tvice.log", n), "request 10"),
				cmd("grep -c ' ERROR ' logs/ser\tvice.log", errors),
				cmd("grep ' ERROR ' logs/service.log | tail -5", "no space left"),
			}
		},
		fixed(cmd("grep -v INFO logs/service.log", "restarted"), cmd("ls -lt logs", "access.log")),
		func(rng *rand.Rand) []Command {
			copied := "conf/app.conf." + tag(rng)
			workers := 5 + rng.IntN(20)
			return []Command{
				cmd("cat conf/ap\tp.conf", "log_level = info"),
				cmd("cp conf/app.conf "+copied, ""),
				cmd(fmt.Sprintf("sed -i 's/^workers = .*/workers = %d/' %s", workers, copied), ""),
				cmd("diff conf/app.conf "+copied, "3c3"),
				cmd("rm "+copied, ""),
			}
		},
		fixed(cmd("cd logs", ""), cmd("wc -lc service.log access.log", "total"), cmd("cd ..", "")),
		func(rng *rand.Rand) []Command {
			name := "/tmp/logs-" + tag(rng) + ".tgz"
			return []Command{
				cmd("tar czf "+name+" logs", ""),
				cmd("ls -l "+name, "-rw"),
				cmd("tar tzf "+name+" | sort", "logs/service.log"),
				cmd("rm "+name, ""),
			}
		},
		fixed(cmd("vmstat 1 3", "swpd")),
		fixed(cmd("top -b -n 1 | head -12", "Tasks:")),
		fixed(cmd("cat /proc/memi\tnfo | head -5", "MemFree"), cmd("nproc", "")),
		func(rng *rand.Rand) []Command {
			return []Command{cmd(fmt.Sprintf("for i in 1 2 3; do date +%%T; sleep %d; done", 1+rng.IntN(2)), ":")}
		},
		fixed(cmd("stat conf/ap\tp.conf", "Modify:"), cmd("sha256sum conf/*", "limits.conf")),
		fixed(cmd("find logs -size +10k -exec ls -l {} +", "logs/access.log")),
	}
}

func analyst() []task {
	refused := countLines("logs/access.log", `" 403 `)
	return []task{
		fixed(cmd("ls -lh logs data", "access.log"), cmd("wc -l logs/acc\tess.log", "500 ")),
		func(rng *rand.Rand) []Command {
			n := one(rng, 5, 10, 20)
			return []Command{
				cmd(fmt.Sprintf("head -%d logs/acc\tess.log", n), "HTTP/1.1"),
				cmd(fmt.Sprintf("cut -d' ' -f1 logs/access.log | sort | uniq -c | sort -rn | head -%d", n), "10.20."),
			}
		},
		fixed(cmd(`grep -c '" 403 ' logs/access.log`, refused), cmd(`grep '" 403 ' logs/access.log | cut -d' ' -f1 | sort | uniq -c`, "10.20.")),
		func(rng *rand.Rand) []Command {
			c := one(rng, customers...)
			return []Command{
				cmd(fmt.Sprintf("grep /%s/ logs/access.log", c), "agent/"),
				cmd(fmt.Sprintf("grep /%s/ logs/access.log | wc -l", c), countLines("logs/access.log", "/"+c+"/")),
			}
		},
		fixed(cmd(`awk '{ s[$9] += $10 } END { for (k in s) print "status", k, s[k] }' logs/access.log`, "status 404")),
		fixed(cmd("cat logs/acc\tess.log", "agent/"), cmd("tail -5 logs/access.log", "HTTP/1.1")),
		fixed(cmd("cut -d, -f3 data/hos\tts.csv | sort | uniq -c", "harbour"), cmd("grep finance data/hosts.csv", "10.20.")),
		func(rng *rand.Rand) []Command {
			name := "out-" + tag(rng) + ".txt"
			return []Command{
				cmd("cut -d' ' -f1 logs/access.log | sort -u > "+name, ""),
				cmd("tail -5 "+name, "10.20."),
				cmd("cut -d, -f2 data/hosts.csv | sort | comm -12 - "+name, ""),
				cmd("rm "+name, ""),
			}
		},
		func(rng *rand.Rand) []Command {
			h := 6 + rng.IntN(2)
			return []Command{cmd(fmt.Sprintf("grep -c 2025:%02d: logs/access.log", h), countLines("logs/access.log", fmt.Sprintf("2025:%02d:", h)))}
		},
		fixed(cmd("date -u -d @1741000000", "Mar"), cmd("printf '%x %o\\n' 4096 4096", "1000 10000")),
		fixed(cmd("od -A x -t x1z data/hosts.csv | head -20", "000000"), cmd("sha256sum data/*", "data/requests.csv")),
		fixed(cmd("echo aGVsbG8gd29ybGQK | base64 -d", "hello world")),
		fixed(cmd("grep -E ' (WARN|ERROR) ' logs/service.log | cut -c1-60", "storage: write"), cmd("sort -k2,2 -s logs/service.log | tail -3", "restarted")),
		fixed(cmd("awk -F, 'NR > 1 && $5 > 400 { print $2, $5 }' data/requests.csv | sort | head -40", "aldera")),
		fixed(cmd("cat notes.txt", "Quarterly review"), cmd("cat expected", "refused "+refused)),
		fixed(cmd("tr -cd '[:print:]\\n' < logs/access.log | md5sum", "  -"), cmd("ls -l", "documents")),
		fixed(cmd("seq 1 1500 | paste -sd' ' | fold -w 100", "1499 1500")),
	}
}

func intruder() []task {
	return []task{
		func(*rand.Rand) []Command {
			return append(by("T1033", cmd("whoami", ""), cmd("id", "uid=")), by("T1082", cmd("uname -a", "Linux"))...)
		},
		func(*rand.Rand) []Command { return by("T1033", cmd("w", "load average")) },
		func(*rand.Rand) []Command {
			return by("T1082", cmd("hostname; cat /etc/os-rel\tease", "VERSION_ID"), cmd("cat /proc/vers\tion", "Linux"))
		},
		func(*rand.Rand) []Command {
			return by("T1087.001", cmd("cat /etc/passwd", "root:x:0:0"), cmd("cut -d: -f1,7 /etc/passwd | grep -v nologin", "root:/"), cmd("head -20 /etc/group", "root:x:0"))
		},
		func(rng *rand.Rand) []Command {
			return by("T1057", one(rng, cmd("ps aux", "COMMAND"), cmd("ps -ef", "PPID"), cmd("ps axf", "COMMAND")))
		},
		func(rng *rand.Rand) []Command {
			return by("T1049", one(rng, cmd("ss -tunap", "Netid"), cmd("ss -antp | head -30", "Peer Address")))
		},
		func(*rand.Rand) []Command {
			return by("T1016", cmd("ip a", "LOOPBACK"), cmd("ip r", ""), cmd("ip neigh", ""), cmd("cat /etc/hosts", ""))
		},
		func(*rand.Rand) []Command { return by("T1083", cmd("pwd; ls -la", "notes.txt")) },
		func(*rand.Rand) []Command {
			return by("T1083", cmd("find . -type f -size -200k 2>/dev/null", "./documents/budget.csv"), cmd("ls -la documents .config", "deploy.ini"))
		},
		func(*rand.Rand) []Command {
			return by("T1552.001", cmd("grep -rniE 'passw(or)?d|token|secret' . 2>/dev/null", "not-a-real-one"), cmd("cat .config/dep\tloy.ini", "not-a-real-one"))
		},
		func(*rand.Rand) []Command {
			return by("T1552.004", cmd("find . -name 'id_*' -o -name '*.pem' -o -name '*.kdbx' -o -name '.netrc*'", "./.netrc.old"), cmd("cat .net\trc.old", "machine files"))
		},
		func(*rand.Rand) []Command {
			return by("T1518", cmd("for p in python3 perl gcc curl wget nc socat ssh tar; do command -v $p; done", "/tar"))
		},
		func(*rand.Rand) []Command {
			return by("T1069.001", cmd("find /usr/bin -perm -4000 -type f 2>/dev/null", "/usr/bin/"))
		},
		func(*rand.Rand) []Command { return by("T1070.003", cmd("export HISTFILE=/dev/null", "")) },
		func(*rand.Rand) []Command {
			return by("T1005", cmd("cat documents/con\ttacts.txt", "Maria Ortiz"), cmd("head -30 documents/bud\tget.csv", "planned"), cmd("cat documents/plan-2025.txt", "Plan for"))
		},
		staging,
	}
}

// staging collects documents in a hidden directory, packs them, looks at the
// result and removes it.
func staging(rng *rand.Rand) []Command {
	dir := "/tmp/." + tag(rng) + tag(rng)
	all := by("T1074.001",
		cmd("mkdir -p "+dir, ""),
		cmd("cp -r documents data "+dir, ""))
	all = append(all, by("T1560.001",
		cmd(fmt.Sprintf("tar czf %s/d.tgz -C %s documents data", dir, dir), ""),
		cmd("ls -l "+dir+"/d.tgz", "-rw"))...)
	switch rng.IntN(3) {
	case 0:
		all = append(all, by("T1030", cmd(fmt.Sprintf("split -b 4k %s/d.tgz %s/p.", dir, dir), ""), cmd("ls -la "+dir, "p.ab"))...)
	case 1:
		all = append(all, by("T1132.001", cmd(fmt.Sprintf("base64 %s/d.tgz | head -%d", dir, 20+rng.IntN(80)), ""))...)
	case 2:
		all = append(all, by("T1560.001", cmd("sha256sum "+dir+"/d.tgz", "  /tmp/"))...)
	}
	return append(all, by("T1070.004", cmd("rm -rf "+dir, ""), cmd("ls -la /tmp", "drwx"))...)
}
