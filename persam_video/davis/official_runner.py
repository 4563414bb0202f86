"""Runs inside a process of its own: calls the official code and writes its figures as JSON."""

import json
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OfficialJob:
    """What to score: the arguments of the official code, and the file for the figures.

    With ``repeat`` it scores as often, and the fastest time is given.
    """

    results: str
    root: str
    year: int
    split: str
    task: str
    sequences: list[str]
    output: str
    repeat: int = 1


def run(job: OfficialJob) -> None:
    """Score with the official code and write ``job.output``."""
    try:
        davis2017 = import_module("davis2017.evaluation")
    except ImportError as error:
        sys.exit(f"{error}; give a checkout of davis2017-evaluation with --official-path")
    # Without images it runs only when told that it is on the challenge's server.
    arguments: dict[str, Any] = {"sequences": job.sequences, "codalab": True}
    if "year" in signature(davis2017.DAVISEvaluation).parameters:
        arguments["year"] = str(job.year)
    elif job.year == 2016:
        sys.exit("it scores DAVIS 2017; DAVIS 2016 needs a fork that takes a year")
    seconds = []
    for _ in range(job.repeat):
        start = time.process_time()
        evaluation = davis2017.DAVISEvaluation(job.root, job.task, job.split, **arguments)
        measured = evaluation.evaluate(job.results)
        seconds.append(time.process_time() - start)

    columns = {
        f"{measure}-{figure}": [float(value) for value in measured[measure][figure[0]]]
        for measure in ("J", "F")
        for figure in ("Mean", "Recall", "Decay")
    }
    summary = {name: float(np.mean(values)) for name, values in columns.items()}
    names = measured["J"]["M_per_object"]
    scores = {
        "summary": {"J&F-Mean": (summary["J-Mean"] + summary["F-Mean"]) / 2, **summary},
        "objects": {
            name: {figure: values[position] for figure, values in columns.items()}
            for position, name in enumerate(names)
        },
        "seconds": min(seconds),
    }
    Path(job.output).write_text(json.dumps(scores), encoding="utf-8")


if __name__ == "__main__":
    run(OfficialJob(**json.loads(sys.argv[1])))
