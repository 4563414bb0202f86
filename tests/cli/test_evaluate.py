import json
import subprocess
import sys
from inspect import signature

import pytest
import typer
from typer.testing import CliRunner

from persam_video.cli.evaluate import evaluate
from persam_video.errors import DatasetError, OutputError

app = typer.Typer()
app.command()(evaluate)


def run(*arguments):
    # until click 8.2, standard error is kept apart only when told so
    apart = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
    return CliRunner(**apart).invoke(app, [*map(str, arguments)], catch_exceptions=True)


@pytest.fixture
def scored(written_set, boxes):
    truth = boxes((1, 4, 4, 12, 12))
    written_set.list_sequences("dog\ncat\n")
    for name in ("dog", "cat"):
        written_set.add(name, [truth] * 4, [truth] * 4)
    return written_set


def test_the_figures_of_the_shared_results_are_printed(shared_data, tmp_path):
    folder = shared_data / "evaluator"
    found = run(
        folder / "results", folder / "davis", "--year", 2017, "--split", "val",
        "--scores", tmp_path / "scores.json", "--csv", tmp_path,
    )  # fmt: skip
    assert found.exit_code == 0
    summary = dict(zip(*(line.split() for line in found.stdout.splitlines()[1:3]), strict=True))
    assert summary["J&F-Mean"] == "0.60187"
    expected = json.loads((folder / "official_scores.json").read_text())
    for name, figures in expected["objects"].items():
        (line,) = [line for line in found.stdout.splitlines() if line.startswith(name + " ")]
        assert line.split()[2:] == [f"{value:.5f}" for value in figures.values()]
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written["global"] == pytest.approx(expected["global"], abs=1e-9)
    assert (tmp_path / "global_results-val.csv").read_text().splitlines()[1].startswith("0.602,")


def test_sequences_and_workers_can_be_chosen(scored):
    found = run(scored.results, scored.root, "--sequence", "cat", "--workers", 1)
    assert found.exit_code == 0
    assert "cat_1" in found.stdout
    assert "dog_1" not in found.stdout


def test_nothing_but_the_tables_is_printed_without_a_terminal(scored):
    found = run(scored.results, scored.root)
    assert found.stderr == ""
    figures = [float(figure) for figure in found.stdout.splitlines()[2].split()]
    assert figures == [1, 1, 1, 0, 1, 1, 0]


def test_json_holds_what_the_file_holds(scored, tmp_path):
    found = run(scored.results, scored.root, "--json", "--scores", tmp_path / "scores.json")
    assert (found.exit_code, found.stderr) == (0, "")
    written = json.loads((tmp_path / "scores.json").read_text())
    assert json.loads(found.stdout) == {"evaluation": written, "comparison": None}


def test_a_report_is_written(scored, tmp_path):
    found = run(scored.results, scored.root, "--report", tmp_path / "new" / "report.html")
    assert (found.exit_code, found.stderr) == (0, "")
    text = (tmp_path / "new" / "report.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "cat" in text


def test_files_are_replaced_only_when_asked(scored, tmp_path):
    paths = {"--scores": "scores.json", "--report": "page.html", "--csv": "global_results-val.csv"}
    for option, name in paths.items():
        file = tmp_path / name
        file.write_text("kept")
        given = (scored.results, scored.root, option, tmp_path if option == "--csv" else file)
        found = run(*given)
        assert isinstance(found.exception, OutputError)
        assert str(found.exception).startswith(f"{file} already exists: pass --overwrite")
        assert file.read_text() == "kept"
        assert run(*given, "--overwrite").exit_code == 0
        assert file.read_text() != "kept"


def test_faults_end_with_an_error_and_no_output(scored, tmp_path):
    for name in ("dog", "cat"):
        scored.result(name, 1).unlink()
    outputs = ("--scores", tmp_path / "scores.json", "--report", tmp_path / "report.html")
    found = run(scored.results, scored.root, *outputs)
    assert found.exit_code != 0
    assert isinstance(found.exception, DatasetError)
    assert str(found.exception).count("00001.png: no such file") == 2
    assert not (tmp_path / "scores.json").exists()
    assert not (tmp_path / "report.html").exists()


def test_official_is_said_to_be_missing(scored, tmp_path, monkeypatch):
    if any((entry / "davis2017").is_dir() for entry in map(type(tmp_path), sys.path)):
        pytest.skip("davis2017 is importable here")
    for options in (["--official"], ["--compare"]):
        found = run(scored.results, scored.root, *options)
        assert isinstance(found.exception, DatasetError)
        assert "No module named 'davis2017'; give a checkout" in str(found.exception)
    found = run(scored.results, scored.root, "--official-path", tmp_path)
    assert "holds no package davis2017" in str(found.exception)
    for output in ("--scores", "--csv", "--report"):
        found = run(scored.results, scored.root, "--official", output, tmp_path / "a")
        assert found.exit_code == 2
        assert "need --compare" in found.stderr


def test_the_sequences_of_a_partial_run_are_those_that_are_scored(scored):
    for frame in range(4):
        scored.result("dog", frame).unlink()
    record = {
        "model": {"name": "lite", "sha256": "0"},
        "settings": {},
        "source": {"year": 2017, "split": "val"},
        "status": "finished",
        "sequences": {"cat": {}},
    }
    (scored.results / "run.json").write_text(json.dumps(record))
    found = run(scored.results, scored.root)
    assert found.exit_code == 0, found.output
    assert f"1 of 2 sequences, as in {scored.results / 'run.json'}: cat" in found.stdout
    asked = run(scored.results, scored.root, "--sequence", "dog")
    assert isinstance(asked.exception, DatasetError)


def test_odd_names_are_warned_of_on_standard_error(scored):
    scored.result("cat", 3).rename(scored.result("cat", 3).with_name("00003.copy.png"))
    scored.result("cat", 0).unlink()
    found = run(scored.results, scored.root)
    assert isinstance(found.exception, DatasetError)
    scored.result("cat", 3).with_name("00003.copy.png").unlink()
    found = run(scored.results, scored.root, "--json")
    assert "warning: 2 masks missing, of frames that do not count (cat: 00000.png" in found.stderr
    assert json.loads(found.stdout)["evaluation"]["global"]["J&F-Mean"] == 1.0


def test_scoring_imports_no_torch(scored):
    program = (
        "import sys; from persam_video.cli.main import main\n"
        f"sys.argv[1:] = ['evaluate', {str(scored.results)!r}, {str(scored.root)!r}, '-q']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
