#!/usr/bin/env bash
# All tests in two halves at once: most of a test is the start of programs, which leaves cores idle. Each half has its own
# directory for temporary files, because Open MPI's launchers clear the one that they share away from under each other.
#
#     Tests/scripts/run_tests.sh [ARGUMENT OF swift test...]
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT

# Suites by the first letter of their names; these and the others take about as long.
readonly half='Tests\.[A-KO-QT-Z]'

# tests DIRECTORY ARGUMENT...
tests() {
    mkdir "$scratch/$1"
    TMPDIR="$scratch/$1" swift test --skip-build --no-parallel "${@:2}"
}

tests others "$@" --skip "$half" >"$scratch/log" 2>&1 &
others=$!
failed=0
tests half "$@" --filter "$half" || failed=1
wait "$others" || failed=1
cat "$scratch/log"
exit "$failed"
