# SPDX-License-Identifier: BSD-3-Clause
# Make orders the commands; bin/vmtest does the work ("bin/vmtest -h").
#
#   make vmtest                      test the default series
#   make vmtest SERIES=control       another one, or several: SERIES=a,b
#   make vmtest RUN=Timerfd          only tests whose package.Name matches
#   make vmtest ARGS='-tree ~/linux -v'

SERIES :=
LANE   :=
RUN    :=
ARGS   :=
comma  := ,

FROM    = $(if $(SERIES),-series '$(SERIES)')
TESTS   = $(if $(LANE),-lane '$(LANE)') $(if $(RUN),-run '$(RUN)')
CHOICES = $(FROM) $(TESTS) $(ARGS)

# Packages whose code runs on the host. Those of tests/timens and tests/clone3
# run in the guest; the host only vets them.
HOST_PACKAGES = ./internal/... ./kernel/... ./kconfig/... ./initramfs/... ./vmtest/... ./tests/internal/... ./tests/layout ./tests/canary/redteam ./tests/mutants ./docs

# With the race detector comes glibc, which tells the kernel of an area that it
# is to write to (rseq). The children of tests/internal/clone have no such area.
NO_RSEQ = GLIBC_TUNABLES=glibc.pthread.rseq=0

# Linters, in a module of their own. The scripts in a workflow call make and
# nothing else, so that actionlint needs no shellcheck, which not everybody has.
TOOL = go tool -modfile=tools/go.mod

# Every target is phony: vmtest and kernel are folders too, and make would call
# them up to date.
.PHONY: vmtest test build deps bench canary long mutants steady shell kernel initramfs series check presubmit clean

vmtest: deps build
	@bin/vmtest run $(CHOICES)

# The scripts start hundreds of programs, and with the race detector each takes a
# quarter of a second longer: only the script with both lanes runs with it.
test: deps build
	@case "$${TMPDIR:-/tmp}" in *[[:space:]:]*) echo "make test: TMPDIR is \"$$TMPDIR\", and no kernel can be built in a folder with spaces or colons; type \"TMPDIR=/tmp make test\"" >&2; exit 2;; esac
	go vet ./...
	GOARCH=386 go vet ./tests/...
	@fmt=$$(gofmt -l .); test -z "$$fmt" || { echo "not gofmt-clean: $$fmt"; exit 1; }
	go mod tidy -diff
	go -C tools mod tidy -diff
	$(TOOL) staticcheck ./...
	$(TOOL) actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	$(NO_RSEQ) go test -race -skip '^TestScripts$$' $(HOST_PACKAGES)
	go test -race -run '^TestScripts$$/^guests$$' ./vmtest
	go test -run '^TestScripts$$' ./vmtest

build:
	@go build -o bin/vmtest ./vmtest

shell kernel: deps build
	@bin/vmtest $@ $(FROM) $(if $(filter shell,$@),$(if $(RUN),-run '$(RUN)')) $(ARGS)

initramfs: deps build
	@bin/vmtest initramfs $(if $(RUN),-run '$(RUN)') $(ARGS)

series: deps build
	@bin/vmtest series list

# Holds every patch of all series, or of SERIES=name, to the rules: see
# docs/presubmit.md.
check: deps build
	@bin/vmtest series check $(TESTS) $(ARGS) $(subst $(comma), ,$(SERIES))

# All that a maintainer will ask of every series, or of SERIES=name: see
# docs/presubmit.md.
presubmit: deps build
	@bin/vmtest presubmit $(TESTS) $(ARGS) $(subst $(comma), ,$(SERIES))

# Prints how many times slower than the floor we are: see docs/performance.md.
#   make bench BENCH=Lanes    one benchmark
bench: deps build
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 1x -timeout 2h ./vmtest/bench

# Runs the virtual lane N times beside a neighbour that burns all CPUs: the same
# must happen, after nearly the same guest time.
steady: deps build
	go test -count=1 -v -timeout 2h ./vmtest/bench -run '^TestSteady$$' -args -steady $(or $(N),10) -- $(CHOICES)

# The tests of long waits, with waits of 400 days.
long: deps build
	@bin/vmtest run -lane virtual -run '\.TestLong' -long 9600h -timeout 1h $(FROM) $(ARGS)

# Boots guests that misbehave and checks what is made of them: see
# docs/misbehaving-guests.md.
#   make canary RUN=oops      one behaviour
#   make canary RUN=fail SERIES=control   on the kernel of a series: for behaviours
#                             that need neither LKDTM nor detectors
#   make canary UPDATE=yes    store what is made of them now
canary: deps build
	go test -count=1 -v -timeout 1h ./tests/canary/redteam -run '^TestCanary$$$(if $(RUN),/^$(RUN)$$)' -boot $(if $(SERIES),-series='$(SERIES)') $(if $(UPDATE),-update)
	$(if $(UPDATE),go test ./vmtest/verdict -run '^TestJudgeRecorded$$' -update)

# Makes small wrong edits to kernels and shows which tests catch each: see
# tests/mutants/README.md.
#   make mutants RUN=futex       those whose series/name matches; SERIES=control too
#   make mutants UPDATE=yes      store what caught each
mutants: deps build
	@go build -o bin/mutants-run ./tests/mutants
	@bin/mutants-run $(FROM) $(if $(RUN),-run '$(RUN)') $(if $(UPDATE),-update) $(ARGS)

clean:
	rm -rf bin results

# What builds, checks, selftests, a virtual machine and benchmarks need. Go itself
# is not among them.
PACKAGES := bc bison cpio flex gcc git libc6-dev libcap-dev libelf-dev make perl-base qemu-system-x86 sparse xz-utils

deps:
	@.ci/deps $(PACKAGES)
