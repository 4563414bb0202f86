"""The tool that fitted the neck, tried on pictures drawn here."""

import re
import subprocess
import sys
from pathlib import Path

import torch
from fit_neck import WideBlock
from safetensors.torch import load_file, save_file

from persam_video.sam import load_sam
from persam_video.sam.lite import LiteSam

TOOL = Path(__file__).parents[2] / "tools" / "fit_neck.py"


def old_weights():
    """Give the weights of the shipped model with a random neck of the older kind."""
    torch.manual_seed(3)
    blocks = [WideBlock(256) for _ in range(2)]
    weights = {
        name: value
        for name, value in load_sam("lite", device="cpu").network.state_dict().items()
        if not name.startswith(("image_encoder.neck.0", "image_encoder.neck.1"))
    }
    assert weights.keys() < LiteSam().state_dict().keys()
    for number, block in enumerate(blocks):
        for name, value in block.state_dict().items():
            # large enough for the neck to do something
            weights[f"image_encoder.neck.{number}.{name}"] = 4 * value
    return {name: value.half().contiguous() for name, value in weights.items()}


def fitted(*arguments):
    """Run the tool, and give the embedding's errors that it prints."""
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return [float(one) for one in re.findall(r"embedding ([0-9.]+)", made.stdout)]


def test_the_new_neck_learns_what_the_old_one_gives_and_nothing_else_changes(data, tmp_path):
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_file(old_weights(), old)
    how = ["--data", data, "--weights", old, "--steps", 150, "--crops", 2, "--size", 96]
    errors = fitted(*how, "--export", new)
    assert len(errors) == 3
    assert errors[-1] < 0.7 * errors[0]
    before, after = load_file(old), load_file(new)
    LiteSam().load_state_dict(after)

    again = fitted(*how, "--start", new, "--export", tmp_path / "again.safetensors")
    assert again[-1] < errors[-1]
    changed = ("image_encoder.neck.", "image_encoder.merge.", "image_encoder.key_head.")
    for name, value in before.items():
        if not name.startswith(changed):
            assert torch.allclose(after[name].float(), value.float(), rtol=1e-3), name
