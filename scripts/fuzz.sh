#!/bin/sh
# Each fuzz target for a fixed number of inputs: the same ones each time. `FUZZ_SEED=7 FUZZ_RUNS=100000 make fuzz` for others and
# more; coverage-guided: `cargo +nightly fuzz run --features libfuzzer decode-chat` (see docs/TESTING.md).
set -eu
cd "$(dirname "$0")/.."
cargo run --quiet -p lockgate-fuzz -- --seed "${FUZZ_SEED:-1}" --runs "${FUZZ_RUNS:-1000}"
