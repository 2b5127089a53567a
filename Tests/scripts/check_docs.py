#!/usr/bin/env python3
"""Runs what README.md, CONTRIBUTING.md and docs/*.md print, with a small model and data made on the spot.

    Tests/scripts/check_docs.py RDO [--python PYTHON] [--keep] [--verbose]

- Commands of ```sh blocks and indented command lines run in the order of the pages, as printed or as RULES rewrites.
- Commands within sentences, and those in the heads of configs/, have their subcommand and options looked up in
  the program's help; settings there (`title   --set ...`) are read with the configuration by `--dry-run`; of make and scripts, that the target or file exists; of configuration keys, that they do.
- ```yaml blocks are read as configurations: whole ones as they are, sections beside the rest of the README's.
- The rows of ```json blocks are read as data. ```python blocks are compiled, and run where PYTHON has their modules.

A command or block without a rule is an error, as is a rule that nothing matches. Exit code 1 when anything fails.
Standard library only; needs mpirun and bash.
"""

import argparse
import ast
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = "models/SmolLM2-135M-Instruct"  # the README's; here a small one under this name
AS_PRINTED = []
FIRST_KEY = (  # the key of some pair in the ledger
    """$(rdo inspect runs/first/dpo/ledger.h5 --pairs 1 --json | sed -n 's/.*"key" : "\\([0-9a-f]*\\)".*/\\1/p' |"""
    " head -n 1)")
# Where the system has no Chart.js, what stands for it in the fixture.
CHARTS = "" if os.path.exists("/usr/share/javascript/chart.js/chart.min.js") else " --chart-library chart.min.js"
# Two raters' answers to sheet.html, as its page saves them.
RATERS = (
    "for rater in ann bo; do echo '{\"schema\": \"rdo.sheet-answers/1\", \"sheet\": '$(sed -n 's/.*\"sheet\" : \\(\"[^\"]*\"\\).*/\\1/p' "
    "sheet.key.json)', \"rater\": \"'$rater'\", \"answers\": {\"1\": \"left\"}}' > answers-$rater.json; done; ")

# How each command is checked: a pattern of the whole command, then replacements before it runs, or why it does not run.
# The first pattern that fits decides.
RULES = [
    (r"make (\w+)", "only that make knows the target: CI runs it itself"),
    (r"scripts/score_with_transformers\.py .*", "needs transformers: Tests/scripts/check_score_with_transformers.py"),
    (r"sbatch .*", "no Slurm here: the script by `bash -n`, options of rdo by its help"),
    (r"cp cluster/hosts\.example hosts", [("hosts$", "hosts; echo 'localhost slots=1' > hosts")]),
    (r"THREADS=2 cluster/run-hostfile\.sh .*", [("THREADS=2", "THREADS=1")]),
    (r"mpirun -n 4 rdo run align\.yaml", AS_PRINTED),
    (r"mpirun -n 4 rdo run align\.yaml --set passes=.*", AS_PRINTED),
    (r"mpirun --mca odls_base_sigkill_timeout 10 -n 8 rdo run align\.yaml", AS_PRINTED),
    # The page's own configuration; the policies' responses are the held-out data's.
    (r"mpirun -n 4 rdo evaluate evaluate\.yaml", [
        ("^", "sed -n '/^# evaluate.yaml/,/^```/p' docs/evaluating.md | grep -v '```' > evaluate.yaml; "
         "sed 's/\"chosen\": \\(\"[^\"]*\"\\).*/\"responses\": [\\1]}/' held-out.jsonl > start.jsonl; "
         "sed 's/\"chosen\".*\"rejected\": \\(\"[^\"]*\"\\).*/\"responses\": [\\1]}/' held-out.jsonl > dpo.jsonl; "
         "sed 's/\"prompt\"/\"text\"/' pairs.jsonl > texts.jsonl; cp -r runs/first/difference/model models/reward-model; ")]),
    (r"rdo run align\.yaml --dry-run", AS_PRINTED),
    (r"rdo status runs/first", AS_PRINTED),
    (r"mpirun -n 4 rdo grid .*", AS_PRINTED),
    # A finished pass is not trained again, so it is removed first.
    (r"rdo run align\.yaml --set dpo\.ledger=true", [("^", "rm -r runs/first/dpo; ")]),
    (r"rdo inspect \S+/ledger\.h5 --pair 3fa9 .*", [("3fa9", FIRST_KEY)]),
    (r"rdo report runs/first runs/other .*", [("^", "cp -r runs/first runs/other; "), ("$", CHARTS)]),
    (r"rdo report .* --chart-library chart\.min\.js", AS_PRINTED),
    (r"rdo (report .*|inspect .* --html .*)", [("$", CHARTS)]),
    (r"rdo inspect .*", AS_PRINTED),
    (r"rdo export-pairs .*", AS_PRINTED),
    (r"mpirun -n 8 rdo generate align\.yaml .*", [
        ("^", "rm -f dpo.jsonl; "), ("$", " generate.max_new_tokens=8 generate.limit=4")]),
    (r"mpirun -n 16 rdo run configs/paper/hh-plus\.yaml", "needs HH and a model of seven billion parameters"),
    (r"rdo export-lists runs/hh-plus/.*", [("runs/hh-plus", "runs/first")]),
    # Judgements of others are made of the program's own.
    (r"rdo import judged\.jsonl .*", [
        ("^", "rdo export-pairs runs/first/coefficients.h5 | sed 's/\"difference\"/\"strength\"/; s/, \"tokens.*/}/' > judged.jsonl; ")]),
    (r"rdo import ultrafeedback\.jsonl .*", [
        ("^", "sed 's/\"strength\"/\"score_chosen\": 4, \"score_rejected\": 2.5, \"other\"/' judged.jsonl > ultrafeedback.jsonl; ")]),
    (r"rdo import weighted\.jsonl .*", AS_PRINTED),
    (r"rdo diff .*", AS_PRINTED),
    (r"rdo calibrate judge\.h5 .*", [("^", "cp judge.h5 judge-test.h5; ")]),
    (r"rdo merge part-1\.h5 part-2\.h5 .*", [
        ("^", "for part in '1 row<3' '2 row>=3'; do set -- $part; rdo export-pairs runs/first/coefficients.h5 --where $2 "
         "--out part-$1.jsonl; rdo import part-$1.jsonl --out part-$1.h5; done; ")]),
    # No server here: the files and the judges are read, and nobody is asked.
    (r"rdo judge \S+ \S+ --config judges\.yaml .*", [("$", " --dry-run")]),
    (r"rdo judge --human .*", AS_PRINTED),
    (r"rdo judge --merge .*", [("^", RATERS)]),
    (r"ls .*", AS_PRINTED),
    # With eight leaves align.yaml has no work for 64 ranks; bench measures one rank, the others' rates are made up.
    (r"mpirun -n RANKS_PER_NODE rdo bench .*", [("RANKS_PER_NODE", "1"), ("MODEL", MODEL)]),
    (r"rdo plan align\.yaml --ranks 64 --nodes 8 .*", [("--ranks 64 --nodes 8", "--ranks 8 --nodes 2")]),
    (r"rdo plan configs/plan-7b\.yaml .*", [("RANKS", "32"), ("NODES", "8")]),
]
# Python blocks by page, in the same way: those that need what a page cannot give are only compiled.
PYTHON = {
    "docs/files.md": [("step-00000100", "step-00000002")], "docs/ledger.md": AS_PRINTED,
    "docs/lora.md": "needs peft and a base model", "docs/scorers.md": "needs transformers"}
SECTIONS = "model data parallel prepare sft reward difference score reference generate dpo rrhf kto evaluate".split()
STARTS = r"(?:[A-Z]+=\S+ )?(?:rdo|mpirun|srun|sbatch|scancel|make)(?: |$)"
SCRIPTS = r"(?:Benchmarks|Tests|scripts|cluster|slurm)/\S+\.(?:py|sh|sbatch)"


class Page:
    """What a Markdown page prints: commands, blocks by language, and commands within sentences."""

    def __init__(self, path):
        self.name = path.relative_to(ROOT).as_posix()
        self.commands, self.blocks, self.inline = [], [], []
        language, block, started, prose = None, [], 0, []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("```"):
                if language is None:
                    language, block, started = line[3:].strip(), [], number
                else:
                    if language == "sh":
                        self.add(block, started + 1)
                    else:
                        self.blocks.append((language, started, "\n".join(block) + "\n"))
                    language = None
            elif language is not None:
                block.append(line)
            elif line.startswith("    ") and (prose and prose[-1][1] or re.match(STARTS, line.strip())):
                # An indented command may go on after a backslash.
                prose.append((number, line.rstrip().endswith("\\")))
                self.add([line.strip()], number)
            else:
                prose.append((number, False))
                for span in re.findall(r"`([^`]+)`", line):
                    self.inline.append((number, span))
        if language is not None:
            raise SystemExit(f"{self.name}:{started}: the block does not end")

    def add(self, lines, number):
        """Joins continued lines, and drops comments."""
        for offset, line in enumerate(lines):
            if self.commands and self.commands[-1][1].endswith("\\"):
                where, begun = self.commands.pop()
                line, number_here = begun[:-1].rstrip() + " " + line.strip(), where
            else:
                number_here = number + offset
            line = re.sub(r"(^|\s+)#.*", "", line).strip()
            if line:
                self.commands.append((number_here, line))


class Checker:
    def __init__(self, rdo, python, directory, verbose):
        self.rdo, self.python, self.directory, self.verbose = rdo, python, directory, verbose
        self.failures, self.ran, self.parsed, self.used, self.helps = 0, 0, {}, set(), {}
        self.keys = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
        self.environment = dict(
            os.environ, PATH=f"{directory}/bin:{os.environ['PATH']}", OMPI_ALLOW_RUN_AS_ROOT="1",
            OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1",
            OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none")

    def fail(self, where, message):
        self.failures += 1
        print(f"{where}: {message}", flush=True)

    def only_parsed(self, reason):
        self.parsed[reason] = self.parsed.get(reason, 0) + 1

    def shell(self, where, command, **options):
        began = time.monotonic()
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.directory, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **options)
        if self.verbose:
            print(f"{where}: {command} ({time.monotonic() - began:.1f} s)")
        if result.returncode != 0:
            last = "\n    ".join(result.stdout.strip().splitlines()[-8:])
            self.fail(where, f"`{command}` ends with {result.returncode}:\n    {last}")
        return result.returncode == 0

    # Commands

    def command(self, where, printed):
        # [brackets] are optional parts: they run too.
        text = re.sub(r"\[([^\]]*)\]", r"\1", printed) if re.match("rdo (inspect|diff)", printed) else printed
        for index, (pattern, how) in enumerate(RULES):
            if not re.fullmatch(pattern, text):
                continue
            self.used.add(index)
            if isinstance(how, str):
                self.options(where, text)
                self.only_parsed(how)
            else:
                self.options(where, text)
                for old, new in how:
                    text = re.sub(old, lambda _: new, text)
                self.ran += self.shell(where, text)
            return
        self.fail(where, f"no rule for `{printed}`")

    def help(self, subcommand):
        if subcommand not in self.helps:
            result = subprocess.run([self.rdo, *subcommand, "--help"], capture_output=True, text=True)
            self.helps[subcommand] = result.stdout if result.returncode == 0 else ""
        return self.helps[subcommand]

    def options(self, where, text):
        """Looks up the words of a command without running it."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            return self.fail(where, f"`{text}`: {error}")
        if words[0] == "make":
            for target in words[1:]:
                if not re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.M):
                    self.fail(where, f"`{text}`: there is no such target")
        for word in words:
            if re.fullmatch(SCRIPTS, word):
                self.script(where, word)
        if "rdo" in words:
            words = words[words.index("rdo") + 1:]
        elif "slurm/pipeline.sbatch" in words:
            words = ["run"] + words[words.index("slurm/pipeline.sbatch") + 1:]
        else:
            return
        subcommands = set(re.findall(r"^  ([\w-]+)", self.help(()).split("SUBCOMMANDS:")[-1], re.M))
        if not words or words[0] not in subcommands:
            return self.fail(where, f"`{text}`: no such subcommand")
        page = self.help((words[0],))
        for option in (word.split("=")[0] for word in words[1:] if word.startswith("--")):
            if not re.search(rf"{re.escape(option)}\b", page):
                self.fail(where, f"`{text}`: rdo {words[0]} has no {option}")

    def script(self, where, name):
        path = ROOT / name
        if not path.exists():
            self.fail(where, f"there is no {name}")
        elif path.suffix in (".sh", ".sbatch"):
            self.shell(where, f"bash -n {shlex.quote(str(path))}")

    def within_sentence(self, where, span):
        if re.match(STARTS, span) and len(span.split()) > 1 and not span.startswith("scancel"):
            self.options(where, span.replace(" ...", ""))
            self.only_parsed("within a sentence or a comment")
        elif re.match(SCRIPTS, span):
            self.options(where, span)
            self.only_parsed("within a sentence or a comment")
        elif re.match(rf"(?:{'|'.join(SECTIONS)})\.[a-z]", span):
            key = re.match(r"[\w.]+", span)[0]
            # Files and the head's tensor are no keys; a section such as dpo.lora stands for its keys.
            if key.endswith((".h5", ".jsonl", "score.weight")):
                return
            if f"`{key}`" not in self.keys and f"`{key}." not in self.keys:
                self.fail(where, f"`{span}`: docs/configuration.md has no such key")

    # Blocks

    def yaml(self, where, text):
        keys = set(re.findall(r"^(\w+):", text, re.M))
        if "judges" in keys:
            return self.only_parsed("judges: the commands of the page read them")
        if "output" not in keys:
            # A section: beside the README's other keys, with the section's pass alone.
            passes = [key for key in ("sft", "reward", "difference", "dpo", "rrhf", "kto") if key in keys]
            rest = {
                "output": "runs/block", "model": f"{{ path: {MODEL} }}", "data": "{ train: pairs.jsonl }",
                "passes": f"[{', '.join(passes)}]" if passes else "[sft]"}
            text += "".join(f"{key}: {value}\n" for key, value in rest.items() if key not in keys)
        (self.directory / "block.yaml").write_text(text)
        self.ran += self.shell(where, "rdo plan block.yaml --ranks 1 --machine machine.json --tokens 20,10")

    def json(self, where, text):
        for number, row in enumerate(text.splitlines()):
            try:
                json.loads(row)
            except ValueError as error:
                self.fail(where, f"row {number + 1}: {error}")
                continue
            (self.directory / "row.jsonl").write_text(row + "\n")
            self.ran += self.shell(
                f"{where}, row {number + 1}",
                f"rdo logprobs --model {MODEL} --data row.jsonl --out row.h5 --set data.template=chatml; "
                "status=$?; rm -f row.h5; exit $status")

    def python_block(self, page, where, text):
        try:
            tree = ast.parse(text, where)
        except SyntaxError as error:
            return self.fail(where, str(error))
        how = PYTHON.get(page)
        if how is None:
            return self.fail(where, "no rule for this Python block")
        if isinstance(how, str):
            return self.only_parsed("Python: " + how)
        imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        for module in {getattr(node, "module", None) or name.name for node in imported for name in node.names}:
            if subprocess.run([self.python, "-c", f"import {module}"], capture_output=True).returncode != 0:
                return self.only_parsed(f"Python: {self.python} has no {module}")
        for old, new in how:
            text = text.replace(old, new)
        (self.directory / "block.py").write_text(text)
        self.ran += self.shell(where, f"{shlex.quote(self.python)} block.py")

    def swift(self, where, text):
        """A quotation: it stands in the sources as it is printed, but for the white space."""
        wanted = " ".join(text.split())
        sources = (ROOT / "Sources").rglob("*.swift")
        if not any(wanted in " ".join(path.read_text(encoding="utf-8").split()) for path in sources):
            self.fail(where, "no source has this code")
        self.ran += 1

    def block(self, page, language, number, text):
        where = f"{page}:{number}"
        if language == "yaml":
            self.yaml(where, text)
        elif language == "json":
            self.json(where, text)
        elif language == "python":
            self.python_block(page, where, text)
        elif language == "swift":
            self.swift(where, text)
        else:
            self.fail(where, f"no rule for a block of {language or 'no language'}")


def make_fixture(directory, rdo, readme):
    """The files that the pages speak of, small enough for seconds."""
    (directory / "bin").mkdir()
    (directory / "bin/rdo").symlink_to(rdo)
    for name in ("cluster", "configs", "docs", "slurm"):
        (directory / name).symlink_to(ROOT / name)
    colours = ["amber", "cobalt", "ivory", "russet", "teal"]
    for name, count in (("pairs.jsonl", 40), ("held-out.jsonl", 8)):
        rows = [
            {"prompt": f"Name colour {i}.", "chosen": colours[i % 5], "rejected": f"no {colours[(i + 2) % 5]}",
             "strength": 1 + i % 3} for i in range(count)]
        (directory / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for page, name in ((readme, "align.yaml"), (Page(ROOT / "docs/judging.md"), "judges.yaml")):
        whole = [text for language, _, text in page.blocks if language == "yaml" and f"# {name}" in text]
        if len(whole) != 1:
            raise SystemExit(f"{page.name} has no block that is {name}")
        (directory / name).write_text(whole[0])
    for name in ("dpo-rc", "dpo"):
        rows = [{"query": f"Name colour {i}.", "responses": [f"{name}: {colours[i % 5]}"]} for i in range(8)]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shape = {"hidden_size": 16, "intermediate_size": 24, "layers": 2, "heads": 2, "key_value_heads": 1}
    make = {
        "output": "made", "passes": ["sft"], "model": {"init": shape}, "data": {"train": "pairs.jsonl"},
        "sft": {"steps": 1, "batch_size": 8}}
    (directory / "make.yaml").write_text(json.dumps(make))
    result = subprocess.run([rdo, "run", "make.yaml"], cwd=directory, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"cannot make the model: {result.stderr}")
    (directory / "models").mkdir()
    for name in (MODEL, "models/my-model"):
        shutil.copytree(directory / "made/sft/model", directory / name)
    (directory / "chart.min.js").write_text("/*! Chart.js v3.9.1 */\n")
    rates = {"forward": 5e10, "training": 6e10}
    widths = [dict(rates, size=16), dict(rates, size=4096)]
    profile = {
        "attention": [dict(rates, size=8), dict(rates, size=128)], "blocks": widths, "head": widths,
        "baseBytes": 43000000, "gemmPeak": 1e11, "optimizerRate": 1e9, "reduceBandwidth": 5e9, "reduceLatency": 1e-5, "software": "by hand",
        "streamBandwidth": 2e10}
    machine = {"schema": "rdo.machine/1", "profiles": [dict(profile, ranksPerNode=ranks) for ranks in (1, 4)]}
    (directory / "machine.json").write_text(json.dumps(machine))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rdo")
    parser.add_argument("--python", default=os.environ.get("RDO_PYTHON", sys.executable))
    parser.add_argument("--keep", action="store_true", help="leave the files where the commands ran")
    parser.add_argument("--verbose", action="store_true", help="print every command and its seconds")
    options = parser.parse_args()
    rdo = str(pathlib.Path(options.rdo).resolve())
    if not os.access(rdo, os.X_OK):
        raise SystemExit(f"no program at {rdo}")
    pages = [Page(ROOT / "README.md"), Page(ROOT / "CONTRIBUTING.md")]
    pages += [Page(path) for path in sorted((ROOT / "docs").glob("*.md"))]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rdo-docs-"))
    make_fixture(directory, rdo, pages[0])
    checker = Checker(rdo, options.python, directory, options.verbose)
    for page in pages:
        for number, command in page.commands:
            checker.command(f"{page.name}:{number}", command)
        for language, number, text in page.blocks:
            checker.block(page.name, language, number, text)
        for number, span in page.inline:
            checker.within_sentence(f"{page.name}:{number}", span)
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            if re.match(rf"#\s+{STARTS}", line):
                checker.within_sentence(where, line.lstrip("# "))
            elif row := re.match(r"#   \S.*?\s{2,}(--set .*)", line):
                checker.ran += checker.shell(where, f"rdo run {path} --dry-run {row[1]}")
    for index, (pattern, _) in enumerate(RULES):
        if index not in checker.used:
            checker.fail("check_docs.py", f"the rule `{pattern}` matches nothing")
    for page in set(PYTHON) - {page.name for page in pages if any(b[0] == "python" for b in page.blocks)}:
        checker.fail("check_docs.py", f"the rule for Python in {page} matches nothing")
    print(f"{checker.ran} commands and blocks run, {sum(checker.parsed.values())} parsed only:")
    for reason, count in sorted(checker.parsed.items()):
        print(f"    {count}: {reason}")
    if options.keep:
        print(f"files: {directory}")
    else:
        shutil.rmtree(directory)
    if checker.failures:
        print(f"{checker.failures} failures")
    return 1 if checker.failures else 0


if __name__ == "__main__":
    sys.exit(main())
