"""Progress bars: frames, rate, time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar
from rich.progress import Task as BarTask
from rich.text import Text

if TYPE_CHECKING:
    from persam_video.batch import FleetProgress, JobProgress
    from persam_video.benchmark.runner import BenchmarkProgress
    from persam_video.run import Progress


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: BarTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text("-- fps" if speed is None else f"{speed:.1f} fps")


def _bars(*columns: ProgressColumn, quiet: bool) -> Bar:
    """Return bars on standard error, which show nothing unless that is a terminal."""
    console = Console(stderr=True)
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )


def _frame_bars(*, quiet: bool) -> Bar:
    """Return bars that count frames."""
    note = TextColumn("{task.fields[objects]}")
    return _bars(MofNCompleteColumn(), _Rate(), note, quiet=quiet)


def _objects(progress: "Progress") -> str:
    tracked = f"{progress.tracked} tracked"
    return f"{tracked}, {progress.lost} lost" if progress.lost else tracked


def shown(bar: Bar) -> AbstractContextManager[object]:
    """Show a bar while the block runs, unless it is disabled.

    Until rich 14.3, a disabled one prints an empty line where there is no terminal.
    """
    return nullcontext() if bar.disable else bar


@contextmanager
def counting_bar(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error while the block runs; nothing unless that is a terminal.

    Args:
        what: description of the work.
        quiet: show nothing anywhere.

    Yields:
        A function to call with the number done and the total.
    """
    with _one_bar(what, _bars(MofNCompleteColumn(), quiet=quiet)) as show:
        yield show


@contextmanager
def download_bar(name: str, *, quiet: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on standard error while the block runs; nothing unless that is a terminal.

    Args:
        name: name of the file.
        quiet: show nothing anywhere.

    Yields:
        A function to call with the bytes received and the total.
    """
    with _one_bar(name, _bars(DownloadColumn(), TransferSpeedColumn(), quiet=quiet)) as show:
        yield show


@contextmanager
def _one_bar(what: str, bar: Bar) -> Iterator[Callable[[int, int | None], None]]:
    with shown(bar):
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def status_line(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show a line on standard error while the block runs; nothing unless that is a terminal.

    Args:
        what: description of the work.
        quiet: show nothing anywhere.
    """
    console = Console(stderr=True)
    with nullcontext() if quiet or not console.is_terminal else console.status(what):
        yield


@contextmanager
def progress_bar(
    *, quiet: bool = False, before: str = "starting"
) -> Iterator[Callable[["Progress"], None]]:
    """Show a bar on standard error while the block runs; nothing unless that is a terminal.

    Args:
        quiet: show nothing anywhere.
        before: description shown until the first frame is tracked, which may take a while.

    Yields:
        A function to call after every frame.
    """
    bar = _frame_bars(quiet=quiet)
    with shown(bar):
        task = bar.add_task(before, total=None, objects="")
        backwards = False

        def show(progress: "Progress") -> None:
            nonlocal backwards
            if backwards and not progress.backwards:
                bar.reset(task)  # the rate starts anew with each pass, too
            backwards = progress.backwards
            if progress.estimate is not None and not bar.disable:
                bar.console.print(str(progress.estimate), highlight=False, markup=False)
            bar.update(
                task,
                description="backwards" if backwards else "tracking",
                completed=progress.done,
                total=progress.total,
                objects=_objects(progress),
            )

        yield show


class JobBars:
    """A bar on standard error for each running job; nothing unless that is a terminal.

    Args:
        quiet: show nothing anywhere.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._bars = _frame_bars(quiet=quiet)
        self._running: dict[str, TaskID] = {}

    def progressed(self, job: "JobProgress") -> None:
        """Show the progress of a job."""
        estimate = job.progress.estimate
        if estimate is not None and not self._bars.disable:
            self._bars.console.print(f"{job.name}: {estimate}", highlight=False, markup=False)
        if job.name not in self._running:
            self._running[job.name] = self._bars.add_task(job.name, total=None, objects="")
        self._bars.update(
            self._running[job.name],
            completed=job.progress.done,
            total=job.progress.total,
            objects=_objects(job.progress),
        )

    def overview(self, progress: "FleetProgress") -> None:
        """Show nothing of all jobs together."""

    def ended(self, name: str) -> None:
        """Remove the bar of a job."""
        if name in self._running:
            self._bars.remove_task(self._running.pop(name))

    def __enter__(self) -> "JobBars":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


class FleetBar:
    """One bar on standard error for all jobs of a fleet; nothing when that is not a terminal.

    Args:
        quiet: show nothing anywhere.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        note = TextColumn("{task.fields[note]}")
        self._bars = _bars(note, quiet=quiet)
        self._task = self._bars.add_task("starting workers", total=None, note="")
        self._begun = time.monotonic()

    def overview(self, progress: "FleetProgress") -> None:
        """Show the progress over all jobs."""
        if not progress.frames:
            self._begun = time.monotonic()
        seconds = time.monotonic() - self._begun
        rate = f", {progress.frames / seconds:.1f} fps" if progress.frames and seconds else ""
        self._bars.update(
            self._task,
            description="tracking",
            total=1.0,
            completed=progress.share,
            note=f"{progress.done} of {progress.total} videos{rate}",
        )

    def progressed(self, job: "JobProgress") -> None:
        """Show nothing of a single job."""

    def ended(self, name: str) -> None:
        """Show nothing of a single job."""

    def __enter__(self) -> "FleetBar":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


@contextmanager
def benchmark_bars(
    *, quiet: bool = False, lines: bool = True
) -> Iterator[Callable[["BenchmarkProgress"], None]]:
    """Show a bar for all sequences and one for each that is being tracked, on standard error.

    Every finished sequence is printed as a line; without a terminal on standard error there are
    only these lines, on standard output.

    Args:
        quiet: show no bars.
        lines: whether to print a line for each sequence.

    Yields:
        A function to call with every progress.
    """
    running: dict[str, TaskID] = {}
    bars = _frame_bars(quiet=quiet)
    with shown(bars):
        overall = bars.add_task("all sequences", total=None, objects="")

        def show(progress: "BenchmarkProgress") -> None:
            bars.update(overall, completed=progress.all_done, total=progress.all_total)
            if progress.estimate is not None and not bars.disable:
                bars.console.print(str(progress.estimate), highlight=False, markup=False)
            if progress.state == "running":
                if progress.name not in running:
                    running[progress.name] = bars.add_task(
                        progress.name, total=progress.total, objects=""
                    )
                bars.update(running[progress.name], completed=progress.done)
                return
            if progress.name in running:
                bars.remove_task(running.pop(progress.name))
            if not lines:
                return
            line = _line(progress)
            if bars.console.is_terminal:
                bars.console.print(line, highlight=False, markup=False)
            else:
                print(line, flush=True)

        yield show


def _line(progress: "BenchmarkProgress") -> str:
    counts = f"{progress.done:>5} of {progress.total} frames"
    share = f"{progress.all_done} of {progress.all_total}"
    note = progress.state.value
    if progress.seconds:
        note += f", {progress.total / progress.seconds:.1f} frames per second"
    return f"{progress.name:<20} {counts:<22} {note} ({share} in all)"
