#!/bin/sh
# Installs what building and testing need and is not there: Debian packages, cargo tools. Asks for nothing; on a machine that
# has everything it does nothing.
set -eu
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

need() { command -v "$1" >/dev/null 2>&1; }

missing=""
need cc || missing="$missing build-essential"
need curl || missing="$missing ca-certificates curl"
need git || missing="$missing git"
need npm || missing="$missing nodejs npm"
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then missing="$missing python3 python3-venv"; fi
# The tests of storage start a server of their own; Debian keeps its programs off PATH.
if ! need initdb && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then missing="$missing postgresql"; fi
if [ -n "$missing" ]; then
  need apt-get || { echo "please install:$missing" >&2; exit 1; }
  if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi
  $sudo apt-get update -q
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends $missing
fi

need cargo || { echo "please install Rust (https://rustup.rs) 1.95 or newer" >&2; exit 1; }
need cargo-nextest || cargo install --locked cargo-nextest
need cargo-deny || cargo install --locked cargo-deny
