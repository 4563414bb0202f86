"""Progress shows on a terminal, and nowhere else."""

import os
import subprocess
import sys

import pytest

FAST = ("--set", "model.image_size=256", "--device", "cpu")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_progress_shows_on_a_terminal_and_not_in_a_pipe(clip, tmp_path):
    import pty

    words = [sys.executable, "-m", "persam_video", "track", str(clip.video), *FAST]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}

    def start(out, **streams):
        options = ("--mask", str(clip.first_mask), "--out", str(tmp_path / out))
        return subprocess.Popen([*words, *options], env=environment, **streams)

    controller, terminal = pty.openpty()
    with start("terminal", stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(controller, 4096):
                shown += piece
        except OSError:  # how Linux tells that the other side has closed
            pass
        printed = process.stdout.read()
    os.close(controller)
    assert process.returncode == 0
    assert b"tracking" in shown
    assert b"8/8" in shown
    assert b"fps" in shown
    assert b"\x1b" not in printed

    with start("pipe", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        printed, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert b"\x1b" not in printed
