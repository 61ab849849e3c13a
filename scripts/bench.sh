#!/bin/sh
# What the parts of a call cost, in bytes per second (release build). Quote medians, with the machine.
set -eu
cd "$(dirname "$0")/.."
cargo bench -p lockgate-wire --bench codecs -- "$@"
