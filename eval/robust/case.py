"""A case, and running it in a process of its own with a time limit."""

import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).parents[2]


class UnexpectedError(Exception):
    """The outcome is not the expected one; the message describes it."""


class NotHereError(Exception):
    """The case cannot be run on this machine; the message gives the reason."""


class Verdict(str, Enum):
    """Whether a case passed."""

    AS_EXPECTED = "as expected"
    UNEXPECTED = "NOT AS EXPECTED"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Case:
    """Something that could go wrong.

    Attributes:
        group: zoo, faults, numbers, untrusted, evaluation, outputs, inputs, pixels or
            runs.
        name: unique among all cases.
        expected: what should happen, in words.
        check: is given an empty folder and says what happened; raises ``UnexpectedError`` when
            that is not what should, and ``NotHereError`` when it cannot be tried.
        seconds: after which the case counts as hanging.
        heavy: too slow for the test suite.
    """

    group: str
    name: str
    expected: str
    check: Callable[[Path], str]
    seconds: float = 60.0
    heavy: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case."""

    verdict: Verdict
    happened: str


def expect(is_true: bool, otherwise: str) -> None:
    """Go on if something is as it should be.

    Raises:
        UnexpectedError: it is not; the message says what was found.
    """
    if not is_true:
        raise UnexpectedError(otherwise)


def try_here(case: Case) -> Outcome:
    """Run a case in this process, without a time limit."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Outcome(Verdict.AS_EXPECTED, case.check(Path(folder)))
        except UnexpectedError as error:
            return Outcome(Verdict.UNEXPECTED, str(error))
        except NotHereError as error:
            return Outcome(Verdict.NOT_TRIED, str(error))
        except Exception as error:
            return Outcome(Verdict.UNEXPECTED, f"{type(error).__name__}: {error}")


class Apart:
    """A process that runs cases one after the other; a crash or a hang is an outcome, too."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def try_it(self, case: Case) -> Outcome:
        """Run a case; after a crash or a hang, the next one gets a new process."""
        process = self._process = self._process or self._start()
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process was started without pipes")
        process.stdin.write(case.name + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], case.seconds)[0]:
            self.close()
            return Outcome(Verdict.UNEXPECTED, f"hung: no end after {case.seconds:.0f} seconds")
        try:
            told = json.loads(process.stdout.readline())
            return Outcome(Verdict(told["verdict"]), told["happened"])
        except (ValueError, LookupError, TypeError):
            self.close()
            return Outcome(Verdict.UNEXPECTED, f"died with status {process.returncode}")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "eval.robustness", "--apart"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def serve(cases: Iterable[Case], names: Iterable[str]) -> None:
    """Run the cases named on standard input, one per line, and print a line for each."""
    by_name = {case.name: case for case in cases}
    for name in names:
        print(json.dumps(asdict(try_here(by_name[name.rstrip("\n")]))), flush=True)


def as_table(rows: Iterable[tuple[Case, Outcome]]) -> str:
    """Return a Markdown table of cases with their expected and observed outcomes."""
    lines = ["| group | case | expected | what happened | verdict |", "|---|---|---|---|---|"]
    for case, outcome in rows:
        cells = (case.group, case.name, case.expected, outcome.happened, outcome.verdict.value)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
