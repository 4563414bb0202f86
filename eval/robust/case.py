"""A case, and trying it in a process of its own under a time limit."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "robustness.py"


class Unexpected(Exception):
    """What happened is not what should happen; the message says what did."""


class NotHere(Exception):
    """This machine cannot try the case; the message says why."""


class Verdict(str, Enum):
    """How a case went."""

    AS_EXPECTED = "as expected"
    UNEXPECTED = "NOT AS EXPECTED"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Case:
    """Something that could go wrong.

    Attributes:
        group: zoo, faults, numbers or untrusted.
        name: unique among all cases.
        expected: what should happen, in words.
        check: is given an empty folder and says what happened; raises :class:`Unexpected` when
            that is not what should, and :class:`NotHere` when it cannot be tried.
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
    """What happened in a case."""

    verdict: Verdict
    happened: str


def expect(is_true: bool, otherwise: str) -> None:
    """Go on if something is as it should be.

    Raises:
        Unexpected: it is not; the message says what was found.
    """
    if not is_true:
        raise Unexpected(otherwise)


def try_here(case: Case) -> Outcome:
    """Try a case in this process, without a time limit."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Outcome(Verdict.AS_EXPECTED, case.check(Path(folder)))
        except Unexpected as error:
            return Outcome(Verdict.UNEXPECTED, str(error))
        except NotHere as error:
            return Outcome(Verdict.NOT_TRIED, str(error))
        except Exception as error:
            return Outcome(Verdict.UNEXPECTED, f"{type(error).__name__}: {error}")


def try_apart(case: Case) -> Outcome:
    """Try a case in a process of its own, so that a crash or a hang is an outcome as well."""
    try:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "--only-this", case.name],
            capture_output=True,
            text=True,
            check=False,
            timeout=case.seconds,
        )
    except subprocess.TimeoutExpired:
        return Outcome(Verdict.UNEXPECTED, f"hung: no end after {case.seconds:.0f} seconds")
    try:
        told = json.loads(done.stdout.splitlines()[-1])
        return Outcome(Verdict(told["verdict"]), told["happened"])
    except (ValueError, LookupError, TypeError):
        last = " ".join(done.stderr.split()[-30:])
        return Outcome(Verdict.UNEXPECTED, f"died with status {done.returncode}: {last}")


def print_outcome(outcome: Outcome) -> None:
    """Tell the outcome to the process that tries the case."""
    print(json.dumps(asdict(outcome)))


def as_table(rows: Iterable[tuple[Case, Outcome]]) -> str:
    """Return a Markdown table of cases, what should happen, and what did."""
    lines = ["| group | case | expected | what happened | verdict |", "|---|---|---|---|---|"]
    for case, outcome in rows:
        cells = (case.group, case.name, case.expected, outcome.happened, outcome.verdict.value)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
