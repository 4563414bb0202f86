"""What the scripts share: their command line, where results go, the machine, and charts."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persam_video.errors import PersamVideoError
from persam_video.util.atomic import atomic_path, write_bytes
from persam_video.util.json import plain

RESULTS = Path(__file__).parent / "results"
"""What the documentation cites."""

SHARED = Path(os.environ.get("PERSAM_VIDEO_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""Development data, which need not be there."""

USER_ERROR = 2


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that describes a script by the first line of its docstring."""
    return argparse.ArgumentParser(description=(doc or "").split("\n", maxsplit=1)[0])


def run(main: Callable[[], None]) -> None:
    """Run a script; what a user did wrong is one line and exit status 2."""
    try:
        main()
    except PersamVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)


def count(text: str) -> int:
    """Read a whole number of 1 or more from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def write_facts(path: Path, facts: object) -> None:
    """Write data classes, mappings and the like as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(plain(facts), indent=1, ensure_ascii=False) + "\n").encode())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Return what was measured on, as far as it matters."""
    import torch  # noqa: PLC0415 some scripts need none

    from persam_video.sam.build import choose_precision  # noqa: PLC0415

    precision = choose_precision("auto", torch.device("cpu"))
    return (
        f"{platform.system()} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{'bf16 is native' if precision == 'bf16' else 'no native bf16'}, torch "
        f"{torch.__version__}, {torch.get_num_threads()} threads"
    )


def resident_mib() -> float:
    """Return the resident memory of this process in MiB. Reads /proc, so it works on Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no resident memory in /proc/self/status")


@dataclass(frozen=True)
class Panel:
    """A curve with axes of its own.

    Attributes:
        title: what it shows.
        x: numbers, or labels that are evenly spaced.
        y: a value for each, drawn above 0.
        model: what a model says of them, or nothing.
    """

    title: str
    x: Sequence[Any]
    y: Sequence[float]
    model: Sequence[float] = ()


def draw(path: Path, panels: Sequence[Panel], caption: str = "", *, marks: bool = True) -> None:
    """Draw curves beside each other as SVG; needs matplotlib (``pip install -e '.[dev]'``).

    Args:
        path: of the file.
        panels: the curves.
        caption: a line below them.
        marks: mark the points and write their values beside them.
    """
    from matplotlib import rc_context  # noqa: PLC0415 for those who draw only
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(4.2 * len(panels), 4.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.plot(panel.x, panel.y, marker="o" if marks else None)
        if panel.model:
            axes.plot(panel.x, panel.model, "--", color="grey")
        for place in zip(panel.x, panel.y, strict=True) if marks else ():
            axes.annotate(f"{place[1]:.2g}", place, (0, 6), textcoords="offset points", ha="center")
        axes.set_ylim(0, 1.15 * max([*panel.y, *panel.model]))
        axes.set_title(panel.title, fontsize="medium")
    figure.supxlabel(caption, fontsize="small")
    # no date and no random ids: the same curves are the same file
    with atomic_path(path) as part, rc_context({"svg.hashsalt": "persam-video"}):
        figure.savefig(part, format="svg", metadata={"Date": None})
