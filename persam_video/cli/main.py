"""The program: registers the commands and turns errors into one line and an exit status."""

import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from types import FrameType
from typing import Annotated, cast

import typer

from persam_video.cli.batch import batch
from persam_video.cli.benchmark import benchmark
from persam_video.cli.compare import compare
from persam_video.cli.config import config
from persam_video.cli.davis import davis
from persam_video.cli.davis_download import davis_download
from persam_video.cli.demo import demo
from persam_video.cli.evaluate import evaluate
from persam_video.cli.export import export, render
from persam_video.cli.models import models
from persam_video.cli.options import INTERRUPTED
from persam_video.cli.perseg import perseg
from persam_video.cli.prompt import prompt
from persam_video.cli.report import report
from persam_video.cli.reproduce import reproduce
from persam_video.cli.segment import segment
from persam_video.cli.serve import serve
from persam_video.cli.studio import studio
from persam_video.cli.track import track
from persam_video.errors import ConfigError, PersamVideoError
from persam_video.util.kernels import bound_kernel_caches

USER_ERROR = 2
TERMINATED = 128 + signal.SIGTERM
"""Exit status after SIGTERM, by the convention of shells."""

# typer exports only this subclass, and whether the base is click's depends on typer's version
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__base__)

_EMPTY_OPTION = re.compile(r"--[a-z][a-z-]*=\s*")

app = typer.Typer(
    name="persam-video",
    help="Track objects through a video from one annotated frame.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUPS = {
    "Videos": (studio, track, batch, prompt),
    "Results": (render, export, report, compare),
    "Photos": (segment,),
    "Benchmarks": (davis, benchmark, evaluate, perseg, davis_download, reproduce),
    "Start here": (demo,),
}
for _group, _commands in _GROUPS.items():
    for _command in _commands:
        app.command(rich_help_panel=_group)(_command)
app.add_typer(serve, name="serve", rich_help_panel="Videos")
app.add_typer(models, name="models", rich_help_panel="Models and settings")
app.add_typer(config, name="config", rich_help_panel="Models and settings")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"persam-video {version('persam-video')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Track objects through a video from one annotated frame."""


def main() -> None:
    """Run the program; errors that a user can act on are one line and exit status 2."""
    try:
        run()
    finally:
        # torch takes a moment to shut down, when a second Ctrl-C has nothing left to stop
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def run() -> None:
    """Run the command line as ``main`` does, without ending the process."""
    bound_kernel_caches()  # before any command imports torch
    terminated: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        """End a run as Ctrl-C does: finished frames are kept."""
        terminated.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGTERM, terminate)
    # damaged and too large images are refused in one line by ourselves
    warnings.filterwarnings("ignore", module=r"PIL\b")
    try:
        _refuse_empty(sys.argv[1:])
        sys.exit(app(prog_name="persam-video", standalone_mode=False))
    except _UsageError as error:
        if said := _in_one_line(error):
            typer.echo(f"persam-video: error: {said}", err=True)
        sys.exit(USER_ERROR)
    except PersamVideoError as error:
        typer.echo(f"persam-video: error: {error}", err=True)
        sys.exit(USER_ERROR)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None:  # an unforeseen error of a file, not of standard output
            advice = "check that it may be read and written"
            typer.echo(f"persam-video: error: {error.filename}: {reason}; {advice}", err=True)
            sys.exit(USER_ERROR)
        what = "standard output" if _writes_text(error) else "the output"
        advice = "free some space, or choose another place"
        typer.echo(f"persam-video: error: {what}: {reason}; {advice}", err=True)
        with suppress(OSError):  # else Python would try at exit to write what is left in the buffer
            sys.stdout.close()
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:  # before typer, which handles it, had begun
        sys.exit(TERMINATED if terminated else INTERRUPTED)
    except SystemExit as ending:
        if terminated and ending.code == INTERRUPTED:
            sys.exit(TERMINATED)
        raise


def _in_one_line(error: typer.BadParameter) -> str:
    """Return what is wrong with the arguments; nothing where typer has shown the help instead."""
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    if message and error.ctx is not None:
        message += f" (see {error.ctx.command_path} --help)"
    return message[:1].lower() + message[1:]


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse ``--out ""``, which results from a shell variable that is not set.

    Raises:
        ConfigError: an argument is empty.
    """
    for before, argument in pairwise(("", *arguments)):
        if not argument.strip():
            what = before if before.startswith("-") else "an argument"
            raise ConfigError(f"{what} is empty: give a value, or leave it out")
        if _EMPTY_OPTION.fullmatch(argument):
            raise ConfigError(f"{argument.rstrip()[:-1]} is empty: give a value, or leave it out")


def _writes_text(error: OSError) -> bool:
    """Return whether an error comes from typer or rich, which write to standard streams only."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals["__name__"].partition(".")[0] in ("typer", "click", "rich")
