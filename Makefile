# make run    builds and starts the gateway
# make test   everything, installing what it needs; ends with the total of tests run
# make check  formatting, lints, API docs, licences, prose
# make bench  codecs (MB/s), rules and shell commands (µs), and the gateway beside nginx and a bare proxy
.PHONY: run test check bench deps clients fuzz generated

ROOT := $(CURDIR)
export LOCKGATE_CLIENTS ?= $(ROOT)/target/clients

run:
	cargo run --release -p lockgate --

test: deps clients
	sh scripts/total.sh

# Debian packages and cargo tools that the tests use; nothing where they are there.
deps:
	sh scripts/deps.sh

# The pinned clients from PyPI and npm.
clients:
	sh tests/clients/setup.sh $(LOCKGATE_CLIENTS)

# Each fuzz target for a fixed, short number of inputs.
fuzz:
	sh scripts/fuzz.sh

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --quiet
	cargo fetch --locked --quiet
	cargo deny --offline --log-level error check bans licenses sources
	sh scripts/prose.sh

# Writes what tests compare with the code: schema, reference and tables of providers; then the snapshots, to be read in the diff.
generated:
	UPDATE_GENERATED=1 cargo nextest run -p lockgate-admin -p lockgate-config -p lockgate-providers -p lockgate-telemetry --no-fail-fast
	INSTA_UPDATE=always cargo nextest run -p lockgate-wire --no-fail-fast

bench:
	sh scripts/bench.sh
