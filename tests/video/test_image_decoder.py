import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from persam_video.errors import SourceError
from persam_video.video.image_decoder import read_image


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a script of a POSIX shell")
def test_no_file_chooses_a_decoder_that_starts_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked for anew
    path = tmp_path / "00000.png"
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(path, "EPS")
    with pytest.raises(SourceError, match="not an image"):
        read_image(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP"])
def test_the_content_counts_and_not_the_suffix(tmp_path: Path, kind: str) -> None:
    pixels = np.full((4, 6, 3), 255, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", kind)
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)
