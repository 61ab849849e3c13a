#!/bin/sh
# Runs all tests one after the other and ends with the total on a line of its own: `<N> passed, <M> failed`. What is counted: tests
# that nextest ran, doctests, fuzz targets. Fails if anything failed, and also if a part says no number.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
broken=0

# part NAME COMMAND…: shows the output, keeps it for counting, notes a command that fails.
part() {
  name=$1
  shift
  { "$@" 2>&1; echo "exit status $?"; } | tee "$log" | grep -v '^exit status [0-9]*$'
  if ! grep -q '^exit status 0$' "$log"; then
    echo "$name: failed"
    broken=1
  fi
}

# count PASSED FAILED: a part must have counted something.
count() {
  if [ "${1:-0}" -eq 0 ] && [ "${2:-0}" -eq 0 ]; then
    echo "$name: no test was counted"
    broken=1
  fi
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
}

plain() { sed 's/\x1b\[[0-9;]*m//g' "$log"; }

# The last number before a word, on nextest's summary line.
summary() { plain | grep -E 'Summary \[' | tail -1 | grep -oE "[0-9]+ $1" | tail -1 | grep -oE '^[0-9]+'; }

# The sum of the numbers before a word, over the result lines that cargo test prints.
results() { plain | grep -E '^test result:' | grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'; }

part "tests" cargo nextest run --workspace --no-fail-fast --color never
timed_out=$(summary "timed out")
count "$(summary passed)" "$(($(summary failed || echo 0) + ${timed_out:-0}))"

part "doctests" cargo test --workspace --doc --quiet
count "$(results passed)" "$(results failed)"

part "fuzz" sh scripts/fuzz.sh
count "$(plain | sed -n 's/^fuzz: \([0-9]*\) passed, .*/\1/p')" "$(plain | sed -n 's/^fuzz: [0-9]* passed, \([0-9]*\) failed.*/\1/p')"

if [ "$broken" -ne 0 ] && [ "$failed" -eq 0 ]; then
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
