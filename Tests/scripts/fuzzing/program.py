"""Runs rdo once under limits and says how it ended."""

import os
import resource
import signal
import subprocess
import time

# Without the time that a process waits for a processor: a busy machine is no fault of the program. After WAIT
# more it is ended in any case.
SECONDS, WAIT = 10, 60
RESIDENT = 1 << 30
# A process is ended well above the limit, before the machine suffers.
END_AT = RESIDENT + (RESIDENT >> 1)
LARGEST_FILE = 1 << 28

# One rank without a launcher, without the daemon that Open MPI would start for it, and without looking for networks.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_ess_singleton_isolated": "1", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self", "OPENBLAS_NUM_THREADS": "1",
    "SWIFT_BACKTRACE": "enable=no", "LC_ALL": "C.UTF-8",
}
# What a launcher, a cluster or a user may have set does not belong to a case.
FOREIGN = ("OMPI_", "PMIX_", "PMI_", "SLURM_", "RDO_")


class Outcome:
    """How a run ended: its status as `subprocess` counts it, None when it was ended here, and then why."""

    def __init__(self, status, why, seconds, resident, output, error):
        self.status, self.why, self.seconds, self.resident = status, why, seconds, resident
        self.output, self.error = output, error

    @property
    def word(self):
        if self.status is None:
            return "ended"
        return f"signal {-self.status}" if self.status < 0 else str(self.status)


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def resident_now(process):
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def delayed(process):
    """Seconds that the threads of a process waited for a processor."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        pass
    return total / 1e9


def end(process):
    """Ends the process and what it started; it leads a session of its own."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(rdo, arguments, directory, scratch, stdin=b"", seconds=SECONDS):
    """Runs `rdo` in `directory`; `scratch` holds its streams, temporary files and home."""
    os.makedirs(scratch + "/home", exist_ok=True)
    with open(scratch + "/stdin", "wb") as file:
        file.write(stdin)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    environment.update(ENVIRONMENT, TMPDIR=scratch, HOME=scratch + "/home")
    with open(scratch + "/stdin", "rb") as given, open(scratch + "/stdout", "wb") as output, \
            open(scratch + "/stderr", "wb") as error:
        began = time.monotonic()
        child = subprocess.Popen(
            [rdo, *arguments], cwd=directory, env=environment, stdin=given, stdout=output, stderr=error,
            preexec_fn=limits, start_new_session=True)
        try:
            status, why, resident = watch(child, began, seconds)
        except BaseException:
            # Whoever ends the suite ends what it started.
            end(child.pid)
            raise
        took = time.monotonic() - began
    with open(scratch + "/stdout", "rb") as output, open(scratch + "/stderr", "rb") as error:
        return Outcome(status, why, took, resident, output.read(1 << 24), error.read(1 << 24))


def watch(child, began, seconds):
    """Waits for the child: its status, or None and why it had to be ended; and its peak resident memory in bytes."""
    pause, why = 0.002, None
    while True:
        process, status, usage = os.wait4(child.pid, os.WNOHANG)
        if process:
            # Popen must not wait for it again.
            child.returncode = os.waitstatus_to_exitcode(status)
            end(child.pid)
            return None if why else child.returncode, why, usage.ru_maxrss * 1024
        took = time.monotonic() - began
        if not why and resident_now(child.pid) > END_AT:
            why = f"more than {END_AT >> 20} MB resident"
        elif not why and took > seconds and (took > seconds + WAIT or took - delayed(child.pid) > seconds):
            why = f"no end within {seconds} s"
        if why:
            end(child.pid)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
