"""Printing: text or one JSON document on standard output, warnings on standard error."""

import json
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer

from persam_video.cli.options import INTERRUPTED, run_option
from persam_video.util.logs import show_log
from persam_video.util.table import Table, show

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Printer:
    """How a command prints; the fields are options of every command that prints results.

    Standard output has the results and nothing else; warnings and the log are on standard error.

    Attributes:
        as_json: print one JSON document instead of text.
        quiet: print no text.
        verbose: show the log of the package.
    """

    as_json: Annotated[
        bool, run_option("--json", help="Print one JSON document instead of text.")
    ] = False
    quiet: Annotated[bool, run_option("--quiet", "-q", help="Print only errors.")] = False
    verbose: Annotated[
        bool,
        run_option(
            "--verbose",
            "-v",
            help="Log model, device, source and timings to standard error.",
        ),
    ] = False

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise typer.BadParameter("--quiet and --verbose are mutually exclusive")
        show_log(self.verbose)

    @property
    def says_nothing(self) -> bool:
        """Whether text is left out."""
        return self.quiet or self.as_json

    def say(self, text: str) -> None:
        """Print text, unless --quiet or --json is given."""
        if not self.says_nothing:
            typer.echo(text)

    def tables(self, tables: Iterable[Table]) -> None:
        """Print tables, unless --quiet or --json is given."""
        if not self.says_nothing:
            from rich.console import Console

            show(tables, Console())

    def warn(self, text: str) -> None:
        """Print a warning on standard error."""
        typer.echo(f"persam-video: warning: {text}", err=True)

    def interrupted(self, what: str) -> NoReturn:
        """Say what Ctrl-C leaves behind, and end as shells expect.

        Raises:
            Exit: always, with the status of an interrupted program.
        """
        typer.echo(f"persam-video: interrupted; {what}", err=True)
        raise typer.Exit(INTERRUPTED)

    def document(self, value: object) -> None:
        """Print a data class, or a collection of them, as JSON; nothing without ``--json``.

        NaN and infinity become null, and paths become text.
        """
        if self.as_json:
            from persam_video.util.json import to_json

            text = json.dumps(to_json(value, lambda number: None), indent=1, allow_nan=False)
            typer.echo(text)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Log the seconds that a block takes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            _log.info("%s: %.2f s", what, time.perf_counter() - begun)
