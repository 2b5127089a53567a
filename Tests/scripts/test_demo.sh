#!/usr/bin/env bash
# The demo's whole way with the first steps of every training: on 1 and 2 ranks, with the same table at the end.
#
#     Tests/scripts/test_demo.sh RDO
set -euo pipefail

[[ $# == 1 && -x $1 ]] || { echo "usage: test_demo.sh RDO" >&2; exit 2; }
rdo=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1

few=(--set data.limit=32)
for pass in sft reward difference dpo rrhf kto; do
    few+=(--set "$pass.steps=2" --set "$pass.batch_size=16")
done
for ranks in 1 2; do
    mkdir "$scratch/$ranks"
    # The demo's paths are relative to the current directory.
    cd "$scratch/$ranks"
    began=$SECONDS
    if ! mpirun --oversubscribe --bind-to none -n "$ranks" "$rdo" run "${few[@]}" >table 2>log; then
        tail -n 20 log >&2
        echo "test_demo.sh: the demo failed on $ranks rank(s)" >&2
        exit 1
    fi
    diff table <(cat runs/demo/results.md && echo)
    # DPO, RRHF and KTO, each without and with coefficients, DPO with those of both scorers.
    lines=$(grep -cE '^\| (DPO|RRHF|KTO)[^|]*(\| [0-9.]+ ){3}(\| [0-9.]+ ± [0-9.]+ ){2}\|$' table || true)
    ((lines == 7)) || { cat table >&2; echo "test_demo.sh: $lines methods in the table, not 7" >&2; exit 1; }
    echo "test_demo.sh: $ranks rank(s), $((SECONDS - began)) s"
done
cmp "$scratch/1/table" "$scratch/2/table" || { echo "test_demo.sh: another table on 2 ranks" >&2; exit 1; }
