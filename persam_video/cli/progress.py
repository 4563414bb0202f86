"""The progress bar: frames, rate, time left, objects tracked and lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.progress import Task as BarTask
from rich.text import Text

if TYPE_CHECKING:
    from persam_video.run import Progress


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: BarTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text("-- fps" if speed is None else f"{speed:.1f} fps")


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Callable[["Progress"], None]]:
    """Show a bar on standard error while the block runs; nothing when that is not a terminal.

    Args:
        quiet: show nothing anywhere.

    Yields:
        What to call after every frame.
    """
    console = Console(stderr=True)
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[objects]}"),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("tracking", total=None, objects="")

        def show(progress: "Progress") -> None:
            objects = f"{progress.tracked} tracked"
            if progress.lost:
                objects += f", {progress.lost} lost"
            bar.update(task, completed=progress.done, total=progress.total, objects=objects)

        yield show
