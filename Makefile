# make run    builds and starts the gateway
# make test   everything, installing what it needs; ends with the total of tests run
# make check  formatting, lints, docs, licences, generated files
# make bench  codecs (MB/s), and the gateway beside nginx and a bare proxy
.PHONY: run test check bench deps clients fuzz generated

ROOT := $(CURDIR)
export LOCKGATE_CLIENTS ?= $(ROOT)/target/clients

run:
	cargo run --release -p lockgate --

test: deps clients
	cargo nextest run --workspace --no-fail-fast
	cargo test --workspace --doc --quiet
	$(MAKE) --no-print-directory fuzz

# Debian packages and cargo tools that the tests use; nothing where they are there.
deps:
	sh scripts/deps.sh

# The pinned clients from PyPI and npm.
clients:
	sh tests/clients/setup.sh $(LOCKGATE_CLIENTS)

# Each fuzz target for a fixed, short number of runs.
fuzz:
	sh scripts/fuzz.sh

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo deny --offline --log-level error check bans licenses sources
	sh scripts/prose.sh

# Writes the files that tests compare with the code.
generated:
	LOCKGATE_WRITE_GENERATED=1 cargo nextest run --workspace -E 'test(generated) or test(schema) or test(reference)'

bench:
	sh scripts/bench.sh
