"""Shared by the scripts: command line, files of results, facts about the machine, and charts."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import PersamVideoError
from persam_video.util.atomic import atomic_path, write_bytes
from persam_video.util.json import to_json

if TYPE_CHECKING:
    from persam_video.sam.model import ModelInfo

RESULTS = Path(__file__).parent / "results"
"""Folder of the results that the documentation cites."""

SHARED = Path(os.environ.get("PERSAM_VIDEO_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""Folder of the development data; may be absent."""

USER_ERROR = 2


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that describes a script by the first line of its docstring."""
    return argparse.ArgumentParser(description=(doc or "").split("\n", maxsplit=1)[0])


def add_data(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the option ``--data``."""
    parser.add_argument("--data", type=Path, required=required, help="folder of development data")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--checkpoint``."""
    parser.add_argument("--checkpoint", type=Path, help="weights to use instead of those shipped")


def run(main: Callable[[], None]) -> None:
    """Run a script; a user error ends it with one line and exit status 2."""
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
    write_bytes(path, (json.dumps(to_json(facts), indent=1, ensure_ascii=False) + "\n").encode())


def write_results(name: str, facts: object, page: str = "") -> None:
    """Write ``NAME.json`` and, if there is a page, ``NAME.md`` to the folder of results."""
    write_facts(RESULTS / f"{name}.json", facts)
    if page:
        write_bytes(RESULTS / f"{name}.md", f"{page}\n".encode())


def table(header: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> str:
    """Return a table in Markdown."""
    return "\n".join(map(row, [header, ["---"] * len(header), *rows]))


def row(cells: Sequence[str]) -> str:
    """Return one line of such a table."""
    return f"| {' | '.join(cells)} |"


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks (H, W); 1 if both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def identity(model: "ModelInfo") -> dict[str, str]:
    """Return the name and checksum of a model, for a file of results."""
    return {"name": model.name, "sha256": model.sha256}


def machine() -> str:
    """Describe the machine, as far as it affects the figures."""
    import torch  # noqa: PLC0415 some scripts do without

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
    """A chart of one curve.

    Attributes:
        title: heading of the chart.
        x: numbers, or labels that are evenly spaced.
        y: a value for each; the axis starts at 0.
        model: values that a fitted model predicts for them, if any.
    """

    title: str
    x: Sequence[Any]
    y: Sequence[float]
    model: Sequence[float] = ()


def draw(path: Path, panels: Sequence[Panel], caption: str = "", *, marks: bool = True) -> None:
    """Draw charts side by side as SVG; needs matplotlib (``pip install -e '.[dev]'``).

    Args:
        path: the file to write.
        panels: the charts.
        caption: a line of text below them.
        marks: mark the points and write their values beside them.
    """
    from matplotlib import rc_context  # noqa: PLC0415 needed for charts only
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
