#!/usr/bin/env bash
# The demo's whole way with the first steps of every training, for every corpus: on 1 and 2 ranks with the same table at the
# end, and everything in the output directory, whatever part of the data is used.
#
#     Tests/scripts/test_demo.sh RDO
set -euo pipefail

[[ $# == 1 && -x $1 ]] || { echo "usage: test_demo.sh RDO" >&2; exit 2; }
rdo=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1

fail() {
    echo "test_demo.sh: $*" >&2
    exit 1
}

few=(--set data.limit=32 --set data.test_limit=40 --set "demo.seeds=[1, 2]")
for pass in sft reward difference dpo rrhf kto; do
    few+=(--set "$pass.steps=2" --set "$pass.batch_size=16")
done

# demo RANKS OUTPUT [SETTING...]: in an empty directory, which holds nothing but the output afterwards.
demo() {
    local ranks=$1 output=$2 began=$SECONDS
    shift 2
    mkdir -p "$scratch/empty"
    cd "$scratch/empty"
    if ! mpirun --oversubscribe --bind-to none -n "$ranks" "$rdo" run "${few[@]}" "$@" >"$scratch/table" 2>"$scratch/log"
    then
        tail -n 20 "$scratch/log" >&2
        fail "the demo failed on $ranks rank(s) with $*"
    fi
    diff "$scratch/table" <(cat "$output/results.md" && echo) || fail "results.md is not what was printed"
    [[ -z $(find . -mindepth 1 -path "./$output" -prune -o -type f -print) ]] || fail "files outside $output"
    # DPO, RRHF and KTO without coefficients and with those of both scorers.
    local lines
    lines=$(grep -cE '^\| (DPO|RRHF|KTO) (\| [0-9.]+ ± [0-9.]+ ){3}\|$' "$scratch/table" || true)
    ((lines == 3)) || { cat "$scratch/table" >&2; fail "$lines methods in the table, not 3"; }
    grep -q '32 training pairs, .* 40 held-out pairs' "$scratch/table" || fail "the table is not of the pairs used"
    grep -q "Files in $output:" "$scratch/table" || fail "the table does not name $output"
    echo "test_demo.sh: $ranks rank(s), $*: $((SECONDS - began)) s"
}

demo 1 runs/demo
cp "$scratch/table" "$scratch/alone"
rm -r "$scratch/empty"
demo 2 runs/demo
cmp "$scratch/alone" "$scratch/table" || fail "another table on 2 ranks"
# Another corpus in the same place, and elsewhere: nothing of the one before may show.
demo 2 runs/demo --set demo.corpus=flips
cp "$scratch/table" "$scratch/there"
rm -r "$scratch/empty"
demo 2 elsewhere --set output=elsewhere demo.corpus=flips
cmp <(sed 's#runs/demo#elsewhere#' "$scratch/there") "$scratch/table" || fail "what stood in the output shows"
