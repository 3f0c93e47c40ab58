# make run        a demonstration on 127.0.0.1:8080 and :8443; TO=http://host:port: before your server
# make test       all tests, with the servers they need
# make check      formatting, lints, licences, banned crates
# make fuzz       each fuzz target for some SECONDS
# make test-demo  whether `make run` and docs/first-five-minutes.md keep their word; needs their ports
# make suites     Autobahn and testssl.sh against the binary; what cannot be had is skipped, aloud
# make setup      installs what all of these need
#
# Each installs what it needs itself. Build output goes to CARGO_TARGET_DIR when it is set. A BoringSSL
# that was built before is used when BORING_BSSL_PATH names it.

SHELL := /bin/bash
SECONDS := 20

# What BoringSSL is built with, and what Rust links with.
BUILD := cmake g++ git libclang-dev
DEMO := curl openssl python3
TEST := nginx cargo-nextest@0.9.143
CHECK := cargo-deny@0.20.2
FUZZ := cargo-fuzz@0.13.2

.PHONY: help run test check fuzz test-demo suites setup

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run:
	@.ci/setup $(BUILD) $(DEMO)
	@exec demo/run "$(TO)"

# nginx is not on the path of everyone who may run it.
test:
	@.ci/setup $(BUILD) $(TEST)
	cd fuzz && cargo nextest run --locked --no-default-features
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
	@failed=0; for suite in tls websocket; do tests/suites/$$suite || failed=1; done; exit $$failed

setup:
	@.ci/setup $(BUILD) $(DEMO) $(TEST) $(CHECK)
