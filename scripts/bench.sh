#!/bin/sh
# Speed, in release builds: what the parts of a call and the policies on a tool call cost, then Lockgate beside nginx, a bare hyper proxy and no
# proxy. With arguments only the comparison runs, with those: `scripts/bench.sh --only low-openai --reps 5`. See docs/PERFORMANCE.md.
set -eu
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin"

if ! command -v nginx >/dev/null 2>&1; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light
    # Only the program is wanted: the comparison starts it with a configuration of its own.
    service nginx stop >/dev/null 2>&1 || true
  else
    echo "nginx is not installed and cannot be from here: its column and every ratio to it will be missing (apt-get install nginx-light)" >&2
  fi
fi

# One by one: together, the features of the bench's dependencies would be built into the product.
cargo build --release -p lockgate
cargo build --release -p lockgate-bench
if [ "$#" -eq 0 ]; then
  cargo bench -p lockgate-wire --bench codecs
  # A hundred rules under 20 µs for a tool call, a typical command under 50 µs: what is wanted.
  cargo bench -p lockgate-policy --bench rules --bench shell
fi
exec "${CARGO_TARGET_DIR:-target}/release/lockgate-bench" compare "$@"
