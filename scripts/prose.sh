#!/bin/sh
# What no compiler sees: paths of somebody's machine, unfinished code, silenced lints, line ends, tabs, trailing spaces. Only grep, so
# that it is quick; links and snippets are checked by crates/lockgate/tests/docs.rs.
set -eu
cd "$(dirname "$0")/.."
found=0

# files PATTERN…: tracked and new files by name, without fixtures (their bytes are what they test).
files() { git ls-files --cached --others --exclude-standard -- "$@" | grep -Ev '^(fixtures|fuzz/seeds)/|/snapshots/|\.snap$|^LICENSE-|package-lock\.json$' | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }

# refuse WHAT PATTERN FILES: lines with the pattern are a finding.
refuse() {
  what=$1
  pattern=$2
  shift 2
  if lines=$(files "$@" | xargs grep -InE -- "$pattern" /dev/null); then
    echo "$what:"
    echo "$lines"
    found=1
  fi
}

refuse "a path of one machine" '(^|[^a-zA-Z0-9_.$}/-])/(work|root|Users)/[a-z]' '*.rs' '*.md' '*.sh' '*.toml' '*.yaml' '*.json' '*.py' '*.mjs' '*.js' Makefile .ci/run ':!scripts/prose.sh'
refuse "unfinished code" '(todo|unimplemented)!\(|(^|[^a-zA-Z])(TODO|FIXME|XXX)([^a-zA-Z]|$)' '*.rs' '*.sh' '*.toml' '*.py' '*.mjs' ':!scripts/prose.sh' ':!crates/policy/src/quality/*' ':!crates/policy/tests/quality/*'
refuse "a test that never runs" '#\[ignore' '*.rs'
refuse "a silenced lint (say #[expect(lint, reason = \"…\")])" '#!?\[allow\(' '*.rs'
refuse "a tab" "$(printf '\t')" '*.rs' '*.md' '*.yaml' '*.toml' '*.sh' '*.py'
refuse "spaces at the end of a line" '[^ ] +$' '*.rs' '*.md' '*.yaml' '*.toml' '*.sh' '*.py'
refuse "carriage returns" "$(printf '\r')\$" '*.rs' '*.md' '*.yaml' '*.toml' '*.sh' '*.json' '*.py' '*.mjs' '*.js' Makefile

exit "$found"
