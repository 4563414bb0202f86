import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from persam_video.benchmark.miniature import miniature_perseg
from persam_video.benchmark.published import PublishedBenchmark
from persam_video.benchmark.reproduce import reproduce
from persam_video.errors import ConfigError, ModelError, OutputError, PersamVideoError

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "persam_video", "reproduce"]


def test_a_dry_run_that_is_killed_goes_on_to_its_page(tmp_path):
    out = tmp_path / "out"
    command = [*COMMAND, "davis2017", "--out", str(out), "--dry-run", "--workers", "1", "--json"]
    finished = out / "upstream_f" / "crossing" / "00003.png"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not finished.is_file() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (out / "reproduction.json").exists()
    drawn = (out / "miniature/JPEGImages/480p/pond/00003.jpg").stat().st_mtime_ns

    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    stored = json.loads((out / "reproduction.json").read_text(encoding="utf-8"))
    assert json.loads(said.stdout) == stored
    assert [method["preset"] for method in stored["methods"]] == [
        "upstream_f",
        "persam",
        "persam_f",
    ]
    assert all(method["images"] == 8 for method in stored["methods"])
    _, persam, _ = stored["methods"]
    assert persam["scores"]["J&F"] > 90
    assert stored["dry_run"]
    assert stored["status"] == "finished"
    assert stored["model"]["name"] == "lite"
    assert len(stored["model"]["sha256"]) == 64
    assert {figure["figure"] for figure in stored["published"]} >= {71.9, 76.1, 79.5}
    page = (out / "reproduction.html").read_text(encoding="utf-8")
    assert "these figures mean nothing" in page
    assert f"{persam['scores']['J&F']:.1f}" in page
    assert (out / "miniature/JPEGImages/480p/pond/00003.jpg").stat().st_mtime_ns == drawn


NANO = """
import sys
from pathlib import Path
from eval.nano_sam import load_nano_sam
from persam_video.benchmark.published import PublishedBenchmark
from persam_video.benchmark.reproduce import reproduce

reproduce(
    PublishedBenchmark(sys.argv[1]),
    None,
    sys.argv[2],
    overrides={"model.name": "vit_h", "weights.steps": 20},
    model=load_nano_sam(Path(sys.argv[3])),
    dry_run=True,
)
"""


@pytest.mark.parametrize(
    ("benchmark", "first"),
    [("davis2017", "upstream_f/crossing/00003.png"), ("perseg", "images.json")],
)
def test_a_model_of_meta_s_kind_is_killed_and_goes_on(
    tmp_path, nano_sam, shared_data, benchmark, first
):
    out = tmp_path / "out"
    command = [sys.executable, "-c", NANO, benchmark, str(out), str(shared_data / "parity")]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while not (out / first).is_file() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (out / "reproduction.json").exists()
    written = (out / first).stat().st_mtime_ns

    def run(folder):
        return reproduce(
            PublishedBenchmark(benchmark),
            None,
            folder,
            overrides={"model.name": "vit_h", "weights.steps": 20},
            model=nano_sam,
            dry_run=True,
        )

    resumed, whole = run(out), run(tmp_path / "whole")
    if benchmark == "perseg":
        assert (out / first).stat().st_mtime_ns == written
    assert resumed.model.name == "nano"
    assert resumed.status.value == "finished"
    assert [(one.preset, one.scores) for one in resumed.methods] == [
        (one.preset, one.scores) for one in whole.methods
    ]
    assert all(prompts.matching is None for _, prompts, _ in nano_sam.calls)
    assert json.loads((out / "reproduction.json").read_text(encoding="utf-8"))["dry_run"]
    assert "these figures mean nothing" in (out / "reproduction.html").read_text(encoding="utf-8")


def test_perseg_keeps_the_methods_that_are_finished(tmp_path):
    told = []
    first = reproduce(
        PublishedBenchmark.PERSEG, None, tmp_path / "out", dry_run=True, on_progress=told.append
    )
    assert [method.preset for method in first.methods] == ["images", "images_f"]
    assert first.measure == "mIoU"
    assert [(step.done, step.total) for step in told] == [(1, 2), (2, 2)] * 2
    told.clear()
    again = reproduce(
        PublishedBenchmark.PERSEG, None, tmp_path / "out", dry_run=True, on_progress=told.append
    )
    assert again == first
    assert told == []
    (tmp_path / "out" / "reproduction.json").unlink()  # as if interrupted before the end
    photos, lite = miniature_perseg(tmp_path / "photos"), {"model.name": "lite"}
    reproduce(
        PublishedBenchmark.PERSEG,
        photos,
        tmp_path / "out",
        overrides=lite,
        on_progress=told.append,
    )
    assert len(told) == 4, "the figures of another data set were taken"
    (tmp_path / "out" / "reproduction.json").unlink()
    told.clear()
    other = {"prompts.negative_points": 2}
    reproduce(
        PublishedBenchmark.PERSEG,
        None,
        tmp_path / "out",
        overrides=other,
        dry_run=True,
        on_progress=told.append,
    )
    assert len(told) == 4


@pytest.mark.parametrize(
    "earlier",
    [
        '{"benchmark": "davis2017", "dry_run": true}',
        '{"benchmark": "perseg", "dry_run": false}',
        "[]",
        "{",
    ],
)
def test_figures_of_something_else_are_kept(tmp_path, earlier):
    (tmp_path / "reproduction.json").write_text(earlier)
    with pytest.raises(OutputError, match="is not of a dry run of perseg: choose another folder"):
        reproduce(PublishedBenchmark.PERSEG, None, tmp_path, dry_run=True)
    assert [path.name for path in tmp_path.iterdir()] == ["reproduction.json"]
    assert (tmp_path / "reproduction.json").read_text() == earlier


def test_without_a_data_set_the_trial_is_suggested(tmp_path):
    with pytest.raises(ConfigError, match="give the folder of davis2017, or pass --dry-run"):
        reproduce(PublishedBenchmark.DAVIS2017, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_missing_are_told_before_anything_is_tracked(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    made = tmp_path / "made"
    miniature_perseg(made / "miniature")
    with pytest.raises(ModelError, match="persam-video models download vit_h"):
        reproduce(PublishedBenchmark.PERSEG, made / "miniature", tmp_path / "out")
    with pytest.raises(PersamVideoError):
        reproduce(PublishedBenchmark.DAVIS2017, made / "miniature", tmp_path / "out")
