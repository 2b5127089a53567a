#!/usr/bin/env bash
# Runs a pipeline over the hosts of a hostfile, on a cluster without Slurm.
#
#     cluster/run-hostfile.sh HOSTFILE CONFIG [options of rdo run]
#     THREADS=2 cluster/run-hostfile.sh cluster/hosts.example align.yaml
#
# THREADS  threads per rank (1)
# RDO      the program (`rdo` in PATH, then what `make build` left), at the same path on all hosts
# Ctrl-C, SIGTERM and SIGUSR1 save and end with 75: run the same command again. Ctrl-C twice does not wait.
set -uo pipefail

fail() {
    echo "run-hostfile.sh: $1" >&2
    exit 2
}

(($# >= 2)) || fail "usage: cluster/run-hostfile.sh HOSTFILE CONFIG [options of rdo run]"
hosts=$1 config=$2
shift 2
[[ -r $hosts ]] || fail "cannot read $hosts"
[[ -r $config ]] || fail "cannot read $config"
if [[ -z ${RDO:-} ]]; then
    RDO=$(command -v rdo) || RDO=$(cd "$(dirname "$0")/.." && pwd)/.build-release/release/rdo
fi
[[ -x $RDO ]] || fail "no program at $RDO: run make build, or set RDO"
threads=${THREADS:-1}
[[ $threads =~ ^[1-9][0-9]*$ ]] || fail "THREADS is $threads, not a positive number"

# Counted here, because mpirun's own default divides the slots by the threads.
ranks=$(awk '!/^[ \t]*(#|$)/ { n = 1; if (match($0, /slots[ \t]*=[ \t]*[0-9]+/)) { s = substr($0, RSTART, RLENGTH);
    sub(/.*=[ \t]*/, "", s); n = s }; total += n } END { print total + 0 }' "$hosts")
((ranks > 0)) || fail "$hosts names no hosts"

launcher='' stop='' interrupted=''
# mpirun hands SIGUSR1 to its ranks on all hosts; SIGTERM and SIGINT it would take for the end.
forward() {
    stop=yes
    [[ -z $launcher ]] || kill -USR1 "$launcher" 2>/dev/null
}
# shellcheck disable=SC2317,SC2329  # called by the trap
interrupt() {
    if [[ -n $interrupted && -n $launcher ]]; then
        stop=yes
        kill -TERM "$launcher" 2>/dev/null
    else
        forward
    fi
    interrupted=yes
}
trap forward USR1 TERM
trap interrupt INT

# In a session of its own, so that Ctrl-C in a terminal reaches this script alone.
# The working directory is that of this command on every host: relative paths in the configuration mean the same.
setsid mpirun --hostfile "$hosts" -n "$ranks" --map-by "slot:PE=$threads" --bind-to core --wdir "$PWD" \
    "$RDO" run "$config" --set "parallel.blas_threads=$threads" "$@" &
launcher=$!
[[ -z $stop ]] || forward

# A trap ends `wait` early with a code that means nothing, so wait again; 127 means that the code is known already.
code=''
while :; do
    stop=''
    wait "$launcher"
    new=$?
    ((new == 127)) && [[ -n $code ]] || code=$new
    [[ -n $stop ]] || break
done
exit "$code"
