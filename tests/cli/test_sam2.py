"""Tracking with folders of SAM 2 that transformers saved, from the command line."""

import numpy as np
import pytest
from PIL import Image

from persam_video.run import FrameRange, track_to_folder
from persam_video.sinks import read_run
from tests import tiny_sam2


@pytest.fixture(scope="module", params=tiny_sam2.KINDS)
def folder(request, tmp_path_factory):
    tiny_sam2.require(request.param)
    path = tmp_path_factory.mktemp(request.param)
    tiny_sam2.save(request.param, path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Write five frames, and a mask of the first."""
    path = tmp_path_factory.mktemp("clip")
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 256, (12, 14, 3), np.uint8), np.ones((6, 6, 1), np.uint8))
    (path / "frames").mkdir()
    for number in range(5):
        shown = np.ascontiguousarray(picture[number : number + 48, number : number + 72])
        Image.fromarray(shown).save(path / "frames" / f"{number:05d}.png")
    mask = np.zeros((48, 72), np.uint8)
    mask[8:30, 10:40] = 1
    mask[26:44, 44:66] = 2
    Image.fromarray(mask).save(path / "mask.png")
    return path


def results(folder):
    masks = {path.name: path.read_bytes() for path in sorted((folder / "masks").glob("*.png"))}
    return masks, (folder / "tracks.jsonl").read_bytes()


@pytest.mark.parametrize("preset", ["persam", "sam2"])
def test_a_run_goes_on_to_the_same_masks(run, folder, clip, tmp_path, preset):
    from persam_video.config import load_settings

    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    options = ("--model", folder, "--config", preset, "--device", "cpu", "--precision", "fp32")
    source = ("track", clip / "frames", "--mask", clip / "mask.png", "--save", "masks")
    whole = run(*source, "--out", tmp_path / "whole", *options)
    assert (whole.status, whole.err) == (0, "")
    chosen = {"model.name": str(folder), "model.device": "cpu", "model.precision": "fp32"}
    track_to_folder(
        clip / "frames",
        clip / "mask.png",
        tmp_path / "cut",
        settings=load_settings(preset, chosen),
        frames=FrameRange(),
        snapshot_seconds=0,
        on_progress=stop,
    )
    ran = run(*source, "--out", tmp_path / "cut", *options, "--resume")
    assert (ran.status, ran.err) == (0, "")
    assert read_run(tmp_path / "cut" / "run.json").resumed_at == [3]
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


def test_a_folder_without_a_model_is_told_in_one_line(run, clip, tmp_path):
    tiny_sam2.require("sam2_video")
    ran = run(
        "track", clip / "frames", "--mask", clip / "mask.png", "--out", tmp_path / "out", "--model",
        clip, "--config", "sam2",
    )  # fmt: skip
    assert ran.status == 2
    assert ran.err.count("\n") == 1
    assert "model.safetensors" in ran.err
