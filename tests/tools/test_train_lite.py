"""The training tool, tried on pictures drawn here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from persam_video.sam.lite import LiteSam
from persam_video.synthetic import demo

TOOL = Path(__file__).parents[2] / "tools" / "train_lite.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A training folder in the layout that the tool reads, with a few small pictures."""
    root = tmp_path_factory.mktemp("train")
    for folder in ("images", "masks", "video/clip"):
        (root / folder).mkdir(parents=True)
    frames = [pair for i, pair in enumerate(demo().frames()) if i % 10 == 0]
    for number, (rgb, labels) in enumerate(frames):
        small = cv2.resize(rgb, (240, 136), interpolation=cv2.INTER_AREA)[:, :, ::-1]
        mask = cv2.resize(labels, (240, 136), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(root / f"images/s{number}.webp"), small)
        cv2.imwrite(str(root / f"masks/s{number}.png"), mask)
        cv2.imwrite(str(root / f"video/clip/{number:05d}.webp"), small)
        cv2.imwrite(str(root / f"video/clip/{number:05d}.png"), (mask > 0).astype(np.uint8) * 255)
    lines = ["name,source,objects", *(f"s{number},drawn,3" for number in range(len(frames)))]
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return root


def command(data, work, *more):
    return [sys.executable, str(TOOL), "--data", str(data), "--work", str(work), *map(str, more)]


def test_smoke_trains_and_exports_weights_that_load(data, tmp_path):
    target = tmp_path / "lite.safetensors"
    made = subprocess.run(
        command(data, tmp_path / "work", "--smoke", "--export", target),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert target.stat().st_size < 16_000_000
    weights = load_file(target)
    assert all(value.dtype == torch.float16 for value in weights.values())
    LiteSam().load_state_dict(weights)
    log = (tmp_path / "work" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 4
    assert np.isfinite(json.loads(log[-1])["loss"])


def test_a_killed_run_goes_on_from_its_checkpoint(data, tmp_path):
    work = tmp_path / "work"
    run = subprocess.Popen(
        command(data, work, "--size", 128, "--clips", 2, "--steps", 500, "--save-every", 1),
        stdout=subprocess.DEVNULL,
    )
    while run.poll() is None and not (work / "checkpoint.pt").exists():
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    step = torch.load(work / "checkpoint.pt", weights_only=True)["step"]
    assert 1 <= step < 500
    again = subprocess.run(
        command(data, work, "--size", 128, "--clips", 2, "--steps", step + 1, "--cooldown", 1),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"going on from step {step}" in again.stdout
    assert torch.load(work / "checkpoint.pt", weights_only=True)["step"] == step + 1
