"""Starts `rdo` in directories of its own, several at a time, and reads what it leaves."""

import concurrent.futures
import csv
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time


CONFIGURATIONS = pathlib.Path(__file__).resolve().parent.parent.parent / "configs" / "small"


def config(name):
    return str(CONFIGURATIONS / f"{name}.yaml")


class Runner:
    """Starts `rdo` below one directory. What is complete and unchanged `rdo` itself skips; a stamp in the output of a
    command that succeeded saves asking it, which a thousand times takes long."""

    def __init__(self, rdo, root, ranks=1, jobs=1):
        self.rdo, self.root, self.ranks, self.jobs = str(pathlib.Path(rdo).resolve()), pathlib.Path(root), ranks, jobs
        inputs = [pathlib.Path(self.rdo), *sorted(CONFIGURATIONS.glob("*.yaml"))]
        self.inputs = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs]
        self.environment = dict(
            os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
            OMPI_MCA_mpi_yield_when_idle="1")

    def start(self, arguments, log):
        """One command; its output goes to the end of the file `log`. Returns its processor seconds."""
        log.parent.mkdir(parents=True, exist_ok=True)
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(self.ranks), self.rdo, *arguments]
        with open(log, "ab") as output:
            # mpirun may write to a pipe whose reader has gone as it ends: signals stay ignored as they are here.
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                       env=self.environment, restore_signals=False)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # it is not waited for again
        if process.returncode != 0:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
            raise SystemExit("\n".join([f"{' '.join(command)} ended with {process.returncode}:", *last]))
        return usage.ru_utime + usage.ru_stime

    def all(self, title, tasks):
        """Runs a stage's tasks, each a name and the arguments of `rdo`, `jobs` at a time."""
        def run(name, arguments):
            [output] = [word.split("=", 1)[1] for word in arguments if word.startswith("output=")]
            stamp, content = pathlib.Path(output) / "experiment.json", json.dumps([arguments, self.inputs])
            if not stamp.exists() or stamp.read_text() != content:
                self.start(arguments, self.root / "logs" / (name.replace("/", "-") + ".log"))
                stamp.write_text(content)

        began, finished, said = time.monotonic(), 0, 0.0
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(run, name, arguments) for name, arguments in tasks]
            try:
                for future in concurrent.futures.as_completed(futures):
                    future.result()
                    finished += 1
                    now = time.monotonic()
                    if finished == len(tasks) or now - said > 20:
                        said = now
                        print(f"experiments: {title}: {finished} of {len(tasks)} ({(now - began) / 60:.0f} min)",
                              file=sys.stderr)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def inspect(self, path):
        """The figures of a coefficient file."""
        result = subprocess.run([self.rdo, "inspect", str(path), "--json"], capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(f"rdo inspect {path}: {result.stderr.strip()}")
        return json.loads(result.stdout)["coefficients"]

    def pairs(self, path, *columns):
        """The pairs of a coefficient file in the order of their keys, with these numbers of each."""
        command = [self.rdo, "export-pairs", str(path), "--columns", ",".join(["key", *columns]), "--format", "csv"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(f"rdo export-pairs {path}: {result.stderr.strip()}")
        rows = sorted(csv.DictReader(io.StringIO(result.stdout)), key=lambda row: row["key"])
        return [tuple(float(row[column]) for column in columns) for row in rows]


def evaluation(directory):
    """The last held-out figures of a training pass."""
    path = pathlib.Path(directory) / "evaluation.jsonl"
    return json.loads(path.read_text(encoding="utf-8").splitlines()[-1])


def demo_table(directory):
    """The demo's table: for every row its cells, texts as they stand there."""
    rows = {}
    for line in (pathlib.Path(directory) / "results.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4:
            rows[cells[0]] = cells[1:]
    return rows


def row(table, start):
    """The row of a table whose name begins so; None where the demo had no such figure."""
    found = [cells for name, cells in table.items() if name.startswith(start)]
    if len(found) != 1:
        raise SystemExit(f"the demo's table has {len(found)} rows that begin with {start!r}")
    return found[0]


def number(cell):
    """The first number of a cell, None where there is none."""
    found = re.match(r"[0-9.]+", cell)
    return float(found[0]) if found else None
