# make run     serves a demonstration; make run TO=http://host:port puts the proxy before your server
# make test    runs all tests, with the servers they need
# make check   formatting, lints, licences and banned crates
# make setup   installs all that these need and that is missing

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# A fresh clone of every CI run would build everything again, BoringSSL included.
ifdef CI
ifeq ($(CARGO_TARGET_DIR),)
export CARGO_TARGET_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/marchproxy/target
endif
endif

BINARY := $(or $(CARGO_TARGET_DIR),target)/debug/marchproxy

.PHONY: help run test check setup

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run:
	@.ci/setup build demo
	@echo "Building. The first time this takes several minutes, because of BoringSSL."
	@cargo build --locked -p marchproxy
	@exec demo/run "$(BINARY)" $(if $(TO),"$(TO)")

# The system's tests start the binary, so it is built first.
test:
	@.ci/setup build test
	cargo build --locked -p marchproxy
	cargo nextest run --locked --workspace

check:
	@.ci/setup build check
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo deny --locked check licenses bans sources

setup:
	@.ci/setup build demo test check
