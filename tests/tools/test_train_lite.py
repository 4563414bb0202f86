"""The training tool, tried on pictures drawn here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from persam_video.sam.lite import LiteSam

TOOL = Path(__file__).parents[2] / "tools" / "train_lite.py"


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
