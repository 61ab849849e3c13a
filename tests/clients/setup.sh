#!/bin/sh
# setup.sh DIR: the pinned clients, in DIR/python (a venv) and DIR/node_modules. Does nothing where DIR already holds what
# the two lock files say; after it, the tests need no network. The tests find DIR in LOCKGATE_CLIENTS.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "${1:?usage: setup.sh DIR}"
dir=$(CDPATH='' cd -- "$1" && pwd)

stamp() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
fresh() { [ "$(cat "$dir/$1.stamp" 2>/dev/null)" = "$2" ]; }
done_with() { echo "$2" >"$dir/$1.stamp.new" && mv "$dir/$1.stamp.new" "$dir/$1.stamp"; }

wanted=$(stamp "$here/requirements.txt")-$(python3 -c 'import sys; print(*sys.version_info[:2])')
if ! fresh python "$wanted" || ! "$dir/python/bin/python" -c '' 2>/dev/null; then
  echo "clients: installing the Python clients into $dir/python"
  rm -rf "$dir/python" "$dir/python.stamp"
  python3 -m venv "$dir/python" || { echo "clients: python3 -m venv fails; on Debian: apt-get install python3-venv" >&2; exit 1; }
  "$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt"
  done_with python "$wanted"
fi

wanted=$(stamp "$here/package.json" "$here/package-lock.json")
if ! fresh node "$wanted" || [ ! -d "$dir/node_modules" ]; then
  echo "clients: installing the Node clients into $dir/node_modules"
  rm -f "$dir/node.stamp"
  cp "$here/package.json" "$here/package-lock.json" "$dir/"
  # Install scripts are not needed: the agents' binaries are packages of their own.
  (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  done_with node "$wanted"
fi
