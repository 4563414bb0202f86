import json
import re

import pytest

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.fixture(scope="module")
def result(clip, tmp_path_factory):
    """Give the folder of a run."""
    from persam_video.config import load_settings
    from persam_video.run import track_to_folder

    folder = tmp_path_factory.mktemp("result")
    settings = load_settings(overrides={"model.image_size": 256, "model.device": "cpu"})
    track_to_folder(clip.video, clip.first_mask, folder, settings=settings, outputs=())
    return folder


@pytest.fixture
def lines(clip, result, tmp_path):
    """Give a command line for each command, and what its document says."""
    (tmp_path / "jobs.csv").write_text(
        f"source,mask,name\n{clip.video},{clip.first_mask},good\n{tmp_path}/gone.mp4,a.png,gone\n"
    )
    out, track = tmp_path / "out", ("track", clip.video, "--mask", clip.first_mask)
    return {
        "track": (
            (*track, "--out", out, "--save", "table", *FAST),
            {"folder": str(out), "run.status": "finished", "run.frames_done": 8},
        ),
        "track again": (
            (*track, "--out", result, "--resume", *FAST),
            {"folder": str(result), "run.status": "finished"},
        ),
        "batch": (
            ("batch", tmp_path / "jobs.csv", "--out", out, "--save", "table", *FAST),
            {"jobs": 2, "results.0.status": "finished", "results.1.status": "failed"},
        ),
        "prompt": (
            ("prompt", clip.video, "--box", "3:20,20,200,200", "--out", tmp_path / "p.png"),
            {"mask": str(tmp_path / "p.png"), "picture": None, "object_ids": [3]},
        ),
        "render": (
            ("render", result, clip.video, "--out", tmp_path / "o.mp4"),
            {"output": "overlay", "place": str(tmp_path / "o.mp4"), "frames": 8, "warnings": []},
        ),
        "export": (
            ("export", result, "--to", "mot", "--out", tmp_path / "m.txt"),
            {"output": "mot", "frames": 8},
        ),
        "models": (("models",), {"models.0.name": "lite", "models.0.image_size": 768}),
    }


def at(document, path):
    for key in path.split("."):
        document = document[int(key) if isinstance(document, list) else key]
    return document


@pytest.mark.parametrize(
    "command", ["track", "track again", "batch", "prompt", "render", "export", "models"]
)
def test_json_is_one_document_and_nothing_else(run, lines, command):
    words, says = lines[command]
    ran = run(*words, "--json")
    assert ran.status == (1 if command == "batch" else 0)
    document = json.loads(ran.out)
    assert {path: at(document, path) for path in says} == says
    assert ran.err.count("\n") == (command == "batch")  # the failed job


@pytest.mark.parametrize("command", ["track", "prompt", "render", "export", "models"])
def test_quiet_says_nothing(run, lines, command):
    ran = run(*lines[command][0], "-q")
    assert (ran.status, ran.out, ran.err) == (0, "", "")


def test_verbose_tells_model_source_and_timings_on_standard_error(run, lines):
    ran = run(*lines["track"][0], "-v", "--json")
    json.loads(ran.out)
    said = ran.err.splitlines()
    assert all(line.startswith("persam-video: ") for line in said)
    assert "model lite (sha256 " in ran.err
    # processors with bfloat16 of their own use it
    assert re.search(" on cpu in (fp32|bf16), images of 256 pixels", ran.err)
    assert "8 frames decoded by pyav" in ran.err
    assert "clip.mp4: 8 frames, " in said[-1]
    assert all(f"{stage} " in said[-1] for stage in ("decode", "encode", "predict", "write"))
    assert ", track " in said[-1]
    again = run(*lines["models"][0])
    assert again.err == ""  # the next command is not verbose


def test_quiet_and_verbose_exclude_each_other(run):
    ran = run("models", "-q", "-v")
    assert ran.status == 2
    assert "mutually exclusive" in ran.err


def test_a_wrong_option_leaves_standard_output_empty(run, clip, tmp_path):
    ran = run(
        "track", tmp_path / "gone.mp4", "--mask", clip.first_mask, "--json", "--out", tmp_path
    )
    assert (ran.status, ran.out) == (2, "")
