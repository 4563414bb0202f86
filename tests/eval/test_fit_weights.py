import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_parity_of_the_fit_with_the_decoder_in_the_loop(tmp_path):
    """A few steps of both ways; the full 800 are for the script itself."""
    output = tmp_path / "fit.json"
    command = [sys.executable, "-m", "eval.fit_weights", "--steps", "8", "--json", str(output)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    result = json.loads(output.read_text())
    assert result["steps"] == 8
    assert result["objects"]
    for fit in result["objects"]:
        assert fit["difference"] <= 1e-5
        assert abs(fit["ours_loss"] - fit["reference_loss"]) <= 1e-5
    assert "times as fast" in shown
