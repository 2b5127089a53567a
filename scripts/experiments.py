#!/usr/bin/env python3
"""Runs the experiments of docs/results.md at small size, and writes their part of the page.

    scripts/experiments.py RDO [--runs DIR] [--seeds 5] [--only NAME ...] [--jobs N] [--ranks N] [--page FILE]

Every seed is a whole replicate: other pairs, another start, other scorers, other policies. Arms of one seed share
everything but what is compared, so differences are paired by seed. Everything is left in DIR and is not computed again:
after an interruption, or with more seeds, the same command continues. Results do not depend on --jobs and --ranks.
Standard library only; needs mpirun.
"""

import argparse
import os
import pathlib
import sys

from experiment import costs, demos, hh, policies, reasons, rewards, scorers
from experiment.page import write_section
from experiment.runs import Runner

# In the order of the page.
EXPERIMENTS = {
    "scorers": scorers.Scorers, "policies": policies.Policies, "rewards": rewards.Rewards,
    "settings": policies.Settings, "losses": policies.Losses,
    "calibration": policies.Calibration, "reasons": reasons.Reasons, "cost": costs.Costs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rdo")
    parser.add_argument("--runs", default="runs/experiments", help="where everything is left")
    parser.add_argument("--seeds", type=int, default=5, help="how many replicates")
    parser.add_argument("--only", nargs="*", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many runs at a time")
    parser.add_argument("--ranks", type=int, default=1, help="ranks of each run")
    parser.add_argument("--hh", nargs=2, metavar=("PAIRS", "MODEL"),
                        help="also SmolLM2 on harmless HH: a file of pairs and the model's directory (hours)")
    parser.add_argument("--page", help="the page whose part between the marks is written; by default it is printed")
    parser.add_argument("--tiny", action="store_true", help="a few steps of everything: shows that it works, no more")
    options = parser.parse_args()
    if not os.access(options.rdo, os.X_OK):
        raise SystemExit(f"no program at {options.rdo}")
    if options.seeds < 2:
        raise SystemExit("--seeds must be at least 2: one value has no interval")
    runner = Runner(options.rdo, pathlib.Path(options.runs), options.ranks, options.jobs)
    study = demos.Study(runner, range(1, options.seeds + 1), tiny=options.tiny)
    sections = [EXPERIMENTS[name](study).section() for name in EXPERIMENTS if name in options.only]
    if options.hh:
        sections.append(hh.HH(study, *options.hh).section())
    text = "\n\n".join(sections) + "\n"
    if options.page:
        write_section(pathlib.Path(options.page), "experiments", text)
    else:
        sys.stdout.write(text)


main()
