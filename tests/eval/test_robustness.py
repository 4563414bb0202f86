"""The quick cases of eval.robustness, and a short round of eval.fuzz."""

import subprocess
import sys
from pathlib import Path

import pytest

from eval import fuzz
from eval.robust import evaluation, inputs, numbers, outputs, pixels, runs, untrusted, zoo
from eval.robust.case import Case, UnexpectedError, Verdict, as_table, try_here
from eval.robustness import all_cases

ROOT = Path(__file__).parents[2]
QUICK = [
    case
    for group in (zoo, untrusted, evaluation, outputs, inputs, pixels, runs)
    for case in group.cases()
    if not case.heavy
]
ODD_NUMBERS = [
    case
    for case in numbers.cases()
    if case.name in ("logits and scores are NaN", "the embedding is infinite", "a black video")
]


@pytest.mark.parametrize("case", [*QUICK, *ODD_NUMBERS], ids=lambda case: case.name)
def test_as_expected(case: Case) -> None:
    outcome = try_here(case)
    if outcome.verdict is Verdict.NOT_TRIED:
        pytest.skip(outcome.happened)
    assert outcome.verdict is Verdict.AS_EXPECTED, outcome.happened


def test_the_documentation_counts_the_cases() -> None:
    counted = f"{len(all_cases())} cases"
    for page in ("docs/robustness.md", "eval/results/robustness.md"):
        assert counted in (ROOT / page).read_text("utf-8")


def test_names_tell_cases_apart() -> None:
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names) >= 150


def test_what_is_not_expected_shows() -> None:
    def fails(folder: Path) -> str:
        raise UnexpectedError("it | burnt")

    def crashes(folder: Path) -> str:
        raise ZeroDivisionError

    rows = [(case, try_here(case)) for case in (Case("zoo", "a", "b", f) for f in (fails, crashes))]
    assert {outcome.verdict for _, outcome in rows} == {Verdict.UNEXPECTED}
    assert "| it \\| burnt | NOT AS EXPECTED |" in as_table(rows)


def test_the_command_tries_a_case_and_ends_with_its_verdict() -> None:
    command = [sys.executable, "-m", "eval.robustness", "--only", "zoo", "--case"]
    done = subprocess.run(
        [*command, "zero bytes"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 cases: 1 as expected" in done.stdout


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", fuzz.targets(), ids=lambda target: target.name)
def test_a_short_round_of_damaged_files(target: fuzz.Target, tmp_path: Path) -> None:
    crashes = [crash for seed in range(60) if (crash := fuzz.fuzz(target, seed, tmp_path))]
    assert [(crash.seed, crash.error) for crash in crashes] == []


def test_the_mutator_damages_and_is_seeded() -> None:
    target = fuzz.targets()[0]
    first, again = (fuzz.mutate(target.samples, fuzz.random.Random(7)) for _ in range(2))
    assert first == again
    assert first not in target.samples
