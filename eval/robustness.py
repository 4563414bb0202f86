"""Try everything that could go wrong: odd videos, faults, odd numbers, untrusted files.

    python -m eval.robustness                       # all; results in eval/results/robustness.md
    python -m eval.robustness --only zoo faults     # some groups
    python -m eval.robustness --case "one frame"    # some cases, by a part of their names

Prints a table of the case, what should happen, and what did. The cases run in a process apart, each
under a time limit; after a crash or a hang, the next one gets a new process. Ends with status 1
unless all that could be tried went as expected; what this machine cannot try is in the table, with
the reason.
"""

import platform
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from eval import common
from eval.robust import (
    evaluation,
    faults,
    inputs,
    numbers,
    outputs,
    pixels,
    runs,
    untrusted,
    zoo,
)
from eval.robust.case import Apart, Case, Outcome, Verdict, as_table, serve
from persam_video.util.atomic import write_bytes

GROUPS = (
    "zoo",
    "faults",
    "numbers",
    "untrusted",
    "evaluation",
    "outputs",
    "inputs",
    "pixels",
    "runs",
)


def all_cases() -> list[Case]:
    """Return every case; their names are unique."""
    groups = (zoo, faults, numbers, untrusted, evaluation, outputs, inputs, pixels, runs)
    return [case for group in groups for case in group.cases()]


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS)
    parser.add_argument("--case", default="", help="run only cases whose names contain this")
    parser.add_argument(
        "--apart", action="store_true", help="run the cases named on standard input"
    )
    parser.add_argument("--out", type=Path, default=common.RESULTS / "robustness.md")
    options = parser.parse_args()
    cases = all_cases()
    if options.apart:
        serve(cases, sys.stdin)
        return
    chosen = [c for c in cases if c.group in options.only and options.case in c.name]
    if not chosen:
        parser.error(f"no case of {', '.join(options.only)} has {options.case!r} in its name")
    apart = Apart()
    rows: list[tuple[Case, Outcome]] = []
    for case in chosen:
        rows.append((case, apart.try_it(case)))
        verdict, happened = rows[-1][1].verdict, rows[-1][1].happened
        print(f"{case.group:9} {verdict.value:15} {case.name}: {happened}", flush=True)
    apart.close()
    counts = Counter(outcome.verdict for _, outcome in rows)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    print(f"{len(rows)} cases: {summary}")
    if len(chosen) == len(cases):
        packages = ", ".join(f"{name} {version(name)}" for name in ("av", "decord2", "torch"))
        page = (
            "# Robustness\n\n"
            f"`python -m eval.robustness`, {platform.system()}, Python "
            f"{platform.python_version()}, {packages}.\n\n{len(rows)} cases: {summary}.\n\n"
            f"{as_table(rows)}\n"
        )
        write_bytes(options.out, page.encode())
    sys.exit(1 if counts[Verdict.UNEXPECTED] else 0)


if __name__ == "__main__":
    common.run(main)
