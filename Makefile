# SPDX-License-Identifier: BSD-3-Clause
# Make calls bin/vmtest, which does the work. Type "bin/vmtest -h" for its commands.
#
#   make vmtest                      test the default series
#   make vmtest SERIES=control       test another series, or several: SERIES=a,b
#   make vmtest BASE=7.3             test another kernel, or several: BASE=6.12,7.3
#   make vmtest RUN=Timerfd          run only tests whose package.Name matches
#   make vmtest STORE=/net/kernels   share kernels with other machines: see docs/scale.md
#   make vmtest ARGS='-tree ~/linux -v'   pass flags to bin/vmtest
#
# Flags of bin/vmtest stand in ARGS: make takes "make vmtest -v" for its own -v, and
# prints its version.

SERIES :=
BASE   :=
STORE  :=
LANE   :=
RUN    :=
ARGS   :=
comma  := ,

# The variables that each target reads. Any other on the command line is a mistake that
# would change nothing, so it ends make.
TAKES_vmtest    := SERIES BASE LANE RUN STORE ARGS
TAKES_shell     := SERIES BASE STORE ARGS
TAKES_kernel    := SERIES BASE STORE ARGS
TAKES_initramfs := RUN ARGS
TAKES_check     := SERIES BASE LANE RUN STORE ARGS
TAKES_presubmit := SERIES BASE LANE RUN STORE ARGS
TAKES_bench     := BASE BENCH
TAKES_client-test   := BASE
TAKES_selftest-test := BASE
TAKES_mails-test    := BASE
TAKES_steady    := SERIES LANE RUN ARGS N
TAKES_long      := SERIES BASE STORE ARGS
TAKES_nightly   := SERIES BASE LANE RUN STORE OUT ARGS
TAKES_canary    := SERIES RUN UPDATE
TAKES_mutants   := SERIES BASE RUN UPDATE GENERATED SAMPLE SEED ARGS
TAKES_series    := BASE ARGS
TAKES_harness-mutants := RUN UPDATE ARGS

TAKES_deps      := PACKAGES

GOALS := $(or $(MAKECMDGOALS),vmtest)
TAKEN := $(sort $(foreach goal,$(GOALS),$(TAKES_$(goal))))
GIVEN := $(foreach v,$(filter-out MAKE% SHELL,$(.VARIABLES)),$(if $(filter command,$(origin $v)),$v))
$(foreach v,$(filter-out $(TAKEN),$(GIVEN)),$(error "make $(GOALS)" does not read $v; it reads $(or $(TAKEN),no variable)))

FROM    = $(if $(SERIES),-series '$(SERIES)') $(ON)
ON      = $(if $(BASE),-base '$(BASE)')$(if $(STORE), -store '$(STORE)')
OF      = $(if $(BASE),-base '$(BASE)')
TESTS   = $(if $(LANE),-lane '$(LANE)') $(if $(RUN),-run '$(RUN)')
CHOICES = $(FROM) $(TESTS) $(ARGS)

# The packages whose tests run on the host. Other packages in tests/, such as
# tests/timens and tests/clone3, run in the guest: the host only vets them.
HOST_FOLDERS  = internal kernel kconfig initramfs vmtest tests/internal tests/layout tests/canary/redteam tests/kselftest/rows tests/mutants tests/um docs
HOST_PACKAGES = $(patsubst timens-vmtest/%,./%,$(shell go list $(HOST_FOLDERS:%=./%/...)))

# Those of them that start goroutines. The race detector makes a program up to ten times
# slower, and has nothing to find in the others.
GO_STATEMENT = ^[[:space:]]*go [[:alpha:](]|\.Go\(|\.Parallel\(\)
CONCURRENT   = $(sort $(patsubst %/,./%,$(dir $(shell grep -rlE --include='*.go' --exclude-dir=testdata '$(GO_STATEMENT)' $(HOST_FOLDERS)))))

# The race detector brings glibc, which registers an area for restartable sequences
# (rseq) that the kernel writes to. The children of tests/internal/clone have no such
# area, so glibc must not register one.
NO_RSEQ = GLIBC_TUNABLES=glibc.pthread.rseq=0

# The linters are in a module of their own. actionlint runs without shellcheck, which not
# every machine has: the scripts in the workflows only call make.
TOOL = go tool -modfile=tools/go.mod

# Every target is phony. Otherwise make would call vmtest and kernel up to date, because
# there are folders of these names.
.PHONY: vmtest nightly test build deps bench canary long mutants harness-mutants steady shell shell-test debug-test client-test selftest-test mails-test um-test slurm-test kernel initramfs series check presubmit clean

vmtest: deps build
	@bin/vmtest run $(CHOICES)

# The guest has 32-bit programs of all packages in tests/ but that of the mutants, which
# runs on the host.
#
# The scripts and the tests of the shell start hundreds of programs, and the race detector
# makes each start a quarter of a second longer. So only one script, which runs both lanes,
# runs with it.
test: deps build
	@case "$${TMPDIR:-/tmp}" in *[[:space:]:]*) echo "make test: TMPDIR is \"$$TMPDIR\", and no kernel can be built in a folder with spaces or colons; type \"TMPDIR=/tmp make test\"" >&2; exit 2;; esac
	go vet ./...
	GOARCH=386 go vet $$(go list ./tests/... | grep -v /tests/mutants)
	@fmt=$$(gofmt -l .); test -z "$$fmt" || { echo "not gofmt-clean: $$fmt"; exit 1; }
	go mod tidy -diff
	go -C tools mod tidy -diff
	$(TOOL) staticcheck ./...
	$(TOOL) actionlint -shellcheck= -pyflakes= .github/workflows/*.yml docs/nightly/cells.yml
	$(NO_RSEQ) go test -vet=off -timeout 30m -p 3 -race -skip '^(TestScripts|TestShell)$$' $(CONCURRENT)
	go test -vet=off -timeout 30m -p 3 $(filter-out $(CONCURRENT),$(HOST_PACKAGES))
	go test -vet=off -timeout 30m -race -run '^TestScripts$$/^guests$$' ./vmtest
	go test -vet=off -timeout 30m -run '^(TestScripts|TestShell)$$' ./vmtest

build:
	@go build -o bin/vmtest ./vmtest

# Tests the shell in a guest with the kernel of the default series.
shell-test: deps build
	go test -count=1 -timeout 30m ./vmtest -run '^TestShell$$' -args -boot-shell

# Runs the programs in tests/clients on the kernels of their designs, and on an unpatched one: see docs/clients.md.
client-test: PACKAGES += patch strace
client-test: deps build
	go test -count=1 -v -timeout 2h ./vmtest -run '^TestClients' -args -boot-clients $(OF)

# Runs the selftests of the series on an unpatched kernel, where no row must pass: see docs/designs.md.
selftest-test: deps build
	go test -count=1 -v -timeout 2h ./tests/kselftest/rows -args -boot-selftests $(OF)

# Applies the mails of every series to a git tree of the base, as whoever gets them does: see docs/series.md.
mails-test: deps build
	go test -count=1 -v -timeout 2h ./vmtest -run '^TestMailsApplyToBase$$' -args -real-mails $(OF)

# Shows on User Mode Linux what the series fixes does where the vDSO has no time namespaces: see docs/tests.md.
um-test: deps build
	go test -count=1 -v -timeout 2h ./tests/um -args -boot-um

# Debugs tests in guests, by shells, by scripted sessions of gdb, and by the memory that a dead guest leaves: see docs/debugging.md.
debug-test: PACKAGES += crash python3-drgn qemu-utils
debug-test: deps build
	go test -count=1 -v -timeout 1h ./vmtest -run '^(TestDebug|TestGDB|TestDebugTranscripts|TestVmcore|TestDump|TestTrace|TestTraceOfShell|TestReplay)$$' -args -boot-debug

# Runs nights on a Slurm of one node, which it starts and ends: see docs/scale.md.
slurm-test: PACKAGES += slurm-wlm
slurm-test: deps
	go test -count=1 -v -timeout 30m ./vmtest -run '^TestSlurm$$' -args -boot-slurm

#   make shell ARGS='-- uname -a'    one command
shell kernel: deps build
	@bin/vmtest $@ $(FROM) $(ARGS)

initramfs: deps build
	@bin/vmtest initramfs $(if $(RUN),-run '$(RUN)') $(ARGS)

series: deps build
	@bin/vmtest series list $(ON) $(ARGS)

# Sphinx reads the pages that a series changes, and the extensions of the kernel's Documentation need YAML.
check presubmit nightly: PACKAGES += python3-sphinx python3-yaml

# Checks every patch of all series, or of SERIES=name, against the rules: see
# docs/presubmit.md.
check: deps build
	@bin/vmtest series check $(ON) $(TESTS) $(ARGS) $(subst $(comma), ,$(SERIES))

# Checks what a maintainer will ask of every series, or of SERIES=name, before it is sent:
# see docs/presubmit.md.
presubmit: deps build
	@bin/vmtest presubmit $(ON) $(TESTS) $(ARGS) $(subst $(comma), ,$(SERIES))

# Runs a night into the folder OUT (nights without OUT), or goes on with one: see
# docs/nightly.md.
nightly: deps build
	@bin/vmtest nightly -out '$(or $(OUT),nights)' $(CHOICES)

# Prints how many times longer vmtest takes than the same work done by hand: see
# docs/performance.md.
#   make bench BENCH=Lanes    run one benchmark
#   make bench BASE=7.3       on another kernel
bench: deps build
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 1x -timeout 2h ./vmtest/bench $(if $(BASE),-args -base '$(BASE)')

# Runs the virtual lane N times (10 without N) beside processes that burn all CPUs. The
# same events must happen, with nearly the same guest times between them.
steady: deps build
	go test -count=1 -v -timeout 2h ./vmtest/bench -run '^TestSteady$$' -args -steady $(or $(N),10) -- $(CHOICES)

# Runs the tests of long waits, with waits of 400 days.
long: deps build
	@bin/vmtest run -lane virtual -run '\.TestLong' -long 9600h -timeout 1h $(FROM) $(ARGS)

# Boots guests that misbehave and checks the verdicts: see docs/misbehaving-guests.md.
#   make canary RUN=oops      boot a guest with one behaviour
#   make canary RUN=fail SERIES=control   boot the kernel of a series; only for
#                             behaviours that need neither LKDTM nor detectors
#   make canary UPDATE=yes    store the evidence and the verdicts of now
canary: deps build
	go test -count=1 -v -timeout 1h ./tests/canary/redteam -run '^TestCanary$$$(if $(RUN),/^$(RUN)$$)' -boot $(if $(SERIES),-series='$(SERIES)') $(if $(UPDATE),-update)
	$(if $(UPDATE),go test ./vmtest/verdict -run '^TestJudgeRecorded$$' -update)

# Makes small wrong edits to kernels and shows which tests catch each edit: see
# tests/mutants/README.md.
#   make mutants RUN=futex       only edits whose series/name matches; SERIES=name works, too
#   make mutants BASE=7.3        those of another kernel
#   make mutants UPDATE=yes      store which tests caught each edit
#   make mutants GENERATED=yes   edits that a machine makes; SAMPLE=100 draws a hundred, and
#                                SEED=n the same again
mutants: deps build
	@go build -o bin/mutants-run ./tests/mutants
	@bin/mutants-run $(FROM) $(if $(RUN),-run '$(RUN)') $(if $(UPDATE),-update) $(if $(GENERATED),-generated) $(if $(SAMPLE),-sample '$(SAMPLE)') $(if $(SEED),-seed '$(SEED)') $(ARGS)

# Makes small wrong edits to the Go code that judges, and shows which of them no test of this
# project notices: see tests/mutants/harness/README.md.
#   make harness-mutants RUN='^internal/wire/'   only edits whose name matches
#   make harness-mutants UPDATE=yes              store the numbers
harness-mutants: deps
	@go build -o bin/harness-mutants ./tests/mutants/harness
	@bin/harness-mutants $(if $(RUN),-run '$(RUN)') $(if $(UPDATE),-update) $(ARGS)

# The folder of the nights stays: nobody can make a history anew.
clean:
	rm -rf bin results

# The Debian packages that builds, checks, selftests, the virtual machine and benchmarks
# need. Go is not one of them. .ci/deps puts the version of gcc in the place of VERSION.
# gcc-multilib has no version in its name, but cannot be installed beside cross compilers.
PACKAGES := bc bison cpio flex gcc gdb git groff-base lib32gcc-VERSION-dev libc6-dev libc6-dev-i386 libcap-dev libelf-dev make perl-base python3 qemu-system-x86 sparse xz-utils

deps:
	@.ci/deps $(PACKAGES)
