#!/bin/sh
# Installs what building and testing need and is not there: Debian packages, cargo tools. Asks for nothing.
set -eu

need() { command -v "$1" >/dev/null 2>&1; }

missing=""
need cc || missing="$missing build-essential"
need python3 || missing="$missing python3 python3-venv"
need npm || missing="$missing nodejs npm"
need pkg-config || missing="$missing pkg-config"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi
  # shellcheck disable=SC2086
  $sudo apt-get update -q && $sudo apt-get install -q -y --no-install-recommends $missing
fi

need cargo-nextest || cargo install --locked cargo-nextest
need cargo-deny || cargo install --locked cargo-deny
