#!/usr/bin/env bash
# Runs slurm/pipeline.sbatch and cluster/run-hostfile.sh without a cluster: mpirun is the real one, `rdo` is a program
# that stops as rdo does, and scontrol only notes what it is asked. Prints what fails and ends with 1 then.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir bin
touch align.yaml
ranks=$(($(nproc) >= 2 ? 2 : 1))
echo "localhost slots=$ranks" >hosts

cat >bin/rdo <<'RDO'
#!/usr/bin/env bash
stop=
trap 'stop=yes' USR1 TERM
echo "$*" >"started-$OMPI_COMM_WORLD_RANK"
for ((i = 0; i < 300; i++)); do
    [[ -z ${RDO_ENDS_WITH:-} ]] || exit "$RDO_ENDS_WITH"
    if [[ -n $stop ]]; then
        sleep 2 # longer than mpirun's own patience with SIGTERM
        touch "saved-$OMPI_COMM_WORLD_RANK"
        exit 75
    fi
    sleep 0.1
done
RDO
cat >bin/scontrol <<'SCONTROL'
#!/usr/bin/env bash
if [[ $1 == show ]]; then
    echo "JobId=7 JobName=rdo JobState=${JOB_STATE:-RUNNING} Reason=None"
else
    echo "$*" >>scontrol.log
    exit "${REQUEUE_ENDS_WITH:-0}"
fi
SCONTROL
chmod +x bin/*

export PATH=$work/bin:$PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# There is no Slurm to start daemons with.
export OMPI_MCA_plm=isolated OMPI_MCA_ras=^slurm

failures=0
# expect NAME WANTED SEEN
expect() {
    [[ $2 == "$3" ]] && return
    echo "FAILED $1: expected \"$2\", saw \"$3\""
    failures=$((failures + 1))
}

# run SIGNALS COMMAND...: sends the signals, a second apart, once all ranks run; the exit code is in `code`.
run() {
    rm -f started-* saved-* scontrol.log
    local signals=$1 process
    shift
    "$@" >output 2>&1 &
    process=$!
    if [[ -n $signals ]]; then
        for ((i = 0; i < 200; i++)); do
            [[ -e started-0 && -e started-$((ranks - 1)) ]] && break
            sleep 0.1
        done
        for signal in $signals; do
            kill "-$signal" "$process"
            sleep 1
        done
    fi
    wait "$process"
    code=$?
}
saved() { find . -name 'saved-*' | wc -l; }
requeued() { cat scontrol.log 2>/dev/null; }
# shellcheck disable=SC2317,SC2329  # called through run
job() { env SLURM_JOB_ID=7 SLURM_NTASKS="$ranks" SLURM_CPUS_PER_TASK=1 OMPI_MCA_odls_base_sigkill_timeout=1 "$@"; }
script=$root/slurm/pipeline.sbatch

# `env` replaces itself by the script, so that a signal to the process is one to the script.
for signals in USR1 TERM "USR1 USR1"; do
    run "$signals" env SLURM_JOB_ID=7 SLURM_NTASKS="$ranks" SLURM_CPUS_PER_TASK=1 \
        OMPI_MCA_odls_base_sigkill_timeout=1 bash "$script" align.yaml --trace t
    expect "$signals: exit code after a requeue" 0 "$code"
    expect "$signals: ranks that saved" "$ranks" "$(saved)"
    expect "$signals: scontrol" "requeue 7" "$(requeued)"
    expect "arguments of rdo" "run align.yaml --set parallel.blas_threads=1 --trace t" "$(cat started-0)"
done

for code_wanted in 0 2 6; do
    RDO_ENDS_WITH=$code_wanted run "" job bash "$script" align.yaml
    expect "rdo ends with $code_wanted" "$code_wanted" "$code"
    expect "rdo ends with $code_wanted: scontrol" "" "$(requeued)"
done

RDO_ENDS_WITH=75 run "" job bash "$script" align.yaml
expect "75 without a signal" "0 requeue 7" "$code $(requeued)"
RDO_ENDS_WITH=75 JOB_STATE=CANCELLED run "" job bash "$script" align.yaml
expect "a cancelled job" "75 " "$code $(requeued)"
RDO_ENDS_WITH=75 REQUEUE_ENDS_WITH=1 run "" job bash "$script" align.yaml
expect "requeueing fails" 75 "$code"
run "" job bash "$script" missing.yaml
expect "no configuration" 2 "$code"

for signal in INT TERM USR1; do
    # A shell without job control starts background commands with SIGINT ignored; --default-signal undoes that.
    run "$signal" env --default-signal=INT bash "$root/cluster/run-hostfile.sh" hosts align.yaml
    expect "hostfile, $signal: exit code and saved" "75 $ranks" "$code $(saved)"
done
RDO_ENDS_WITH=3 run "" bash "$root/cluster/run-hostfile.sh" hosts align.yaml
expect "hostfile, rdo ends with 3" 3 "$code"

((failures == 0)) && echo "pipeline.sbatch, run-hostfile.sh: all as expected"
exit $((failures > 0))
