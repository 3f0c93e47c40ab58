# make setup · make test · make check
#
# Build output goes to CARGO_TARGET_DIR when it is set. A BoringSSL that was built before is used
# when BORING_BSSL_PATH names it.

SHELL := /bin/bash
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PACKAGES := cmake libclang-dev g++ make git nginx-light
# Held to formatting and lints. `proxy/serve` joins when nothing in it waits to be called any more.
CRATES := -p marchproxy-conf -p marchproxy-balance -p marchproxy-decide

.PHONY: setup test check

# Installs the Debian packages that are missing.
setup:
	@missing=$$(for name in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; \
	done); \
	if [ -n "$$missing" ]; then \
	    echo "installing" $$missing; \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi

# Formatting and lints, warnings denied.
check: setup
	cargo fmt $(CRATES) --check
	cargo clippy --locked $(CRATES) --all-targets -- -D warnings

# All tests that can pass today: see "Where it stands" in README.md.
test: setup
	cargo nextest run --locked $(CRATES) -p marchproxy
