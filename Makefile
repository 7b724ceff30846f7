# tyto. "make demo" builds and runs the main job; "make test" is what CI runs.
GO       ?= go
FUZZTIME ?= 20s
CAPTURES ?= ../shared/captures
TOOL     := $(GO) tool -modfile=tools/go.mod

.PHONY: profile train eval build-db parity datasheet lab-deps all build demo test deps check lint generate update fuzz bench conformance robust captures clean

all: check

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tyto ./cmd/tyto

# The same with the embedded database (--db, hunt), linked statically: it needs
# g++ and takes a few minutes the first time.
build-db:
	CGO_ENABLED=1 $(GO) build -trimpath -tags netgo,osusergo -ldflags '-s -w -linkmode external -extldflags "-static"' -o bin/tyto ./cmd/tyto

# The main job on the capture that is inside the binary.
demo: build
	./bin/tyto demo

# Installs what the tests need, then lint and tests under the race detector.
test: deps check

deps:
	@command -v g++ >/dev/null || { echo "g++ is missing (the race detector and the embedded database need it): installing"; apt-get update -qq && apt-get install -y -qq g++; }
	$(GO) mod download
	cd tools && $(GO) mod download

check: lint
	$(GO) test -race -pgo=off -timeout 15m ./...

# Installs the Debian packages of all of the lab's scenarios. Services in them do
# not start: policy-rc.d forbids it while they are installed.
lab-deps: build
	@set -e; policy=/usr/sbin/policy-rc.d; \
	if [ -e $$policy ]; then \
	  status=0; $$policy ssh start >/dev/null 2>&1 || status=$$?; \
	  [ $$status = 101 ] || { echo "$$policy allows services to start: move it away first"; exit 1; }; \
	else \
	  trap 'rm -f /usr/sbin/policy-rc.d' EXIT; trap 'exit 1' INT TERM; \
	  printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; \
	fi; \
	apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$(./bin/tyto lab doctor --packages)

lint:
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$out" ] || { echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...

# The lists of protocols and scenarios and the references made from the code.
generate:
	cd tools && $(GO) build -o ../bin/ ./genprotocols ./genscenarios
	./bin/genprotocols
	./bin/genscenarios
	$(GO) generate ./nn/kernel
	UPDATE=1 $(GO) test -run TestGenerated ./cmd/tyto ./lab/label

# Rewrites golden files; look at the diff before you commit it.
update:
	UPDATE=1 $(GO) test ./...
	git diff --stat

# Every fuzz target in turn.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=2s $$pkg; done; done

bench:
	$(GO) test -run='^$$' -bench=. -benchmem ./...

# Against public captures and other programs; needs CAPTURES and tshark.
conformance: build
	@command -v tshark >/dev/null || { echo "tshark is missing: installing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tshark; }
	CAPTURES=$(abspath $(CAPTURES)) $(GO) test -count=1 -timeout 15m -v ./conformance

# Package nn against PyTorch: a forward pass and twenty training steps.
parity:
	@/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "python3-torch is missing: installing"; apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-torch; }
	tmp=$$(mktemp) && /usr/bin/python3 nn/testdata/parity/parity.py $$tmp && PARITY=$$tmp $(GO) test -count=1 -run TestParity ./nn

# What the sequence corpus holds, and what tells labels and must not.
datasheet: build
	@{ cat corpus/datasheet-head.md; ./bin/tyto lab corpus corpus/data; printf '\n## What must not tell labels\n\n'; ./bin/tyto lab corpus corpus/data --audit; } >corpus/DATASHEET.md

# The profile that the compiler goes by (cmd/tyto/default.pgo), of captures as bench/README.md says.
profile: build
	for c in $(PROFILED); do ./bin/tyto analyze --json --cpuprofile bin/$$(basename $$c).prof $$c >/dev/null; ./bin/tyto analyze --json --no-model --no-detections --cpuprofile bin/$$(basename $$c).bare.prof $$c >/dev/null; done
	$(GO) tool pprof -proto bin/*.prof >cmd/tyto/default.pgo

# Every capture whole, cut at random places and with random bytes flipped.
robust:
	CAPTURES=$(abspath $(CAPTURES)) MUTATIONS=10000 $(GO) test -race -count=1 -timeout 120m -run TestRobust -v ./conformance

# Records the demo and the test captures again, with real software in network
# namespaces; needs root and Debian 12, takes about five minutes.
captures:
	cd tools && $(GO) build -o ../bin/record ./record
	./bin/record
	$(MAKE) update

clean:
	rm -rf bin

# Makes the model that is in the program again, from the corpus that comes with
# it: at one commit always the same file, bit for bit. About ten minutes on two cores.
train: build
	./bin/tyto train corpus/data -o model/weights/session.model --figures docs/eval --commit $$(git rev-parse --short=12 HEAD)

# Measures on what each split holds back, beside baselines: docs/eval. Hours.
eval: build
	./bin/tyto eval corpus/data --splits S0,S1,S2,S3 -o docs/eval --again
