from pathlib import Path

import numpy as np
import pytest

from persam_video.errors import OutputError
from persam_video.masks import read_label_png
from persam_video.results import FrameResult
from persam_video.sinks import MaskPngSink
from persam_video.video.frame import Frame


def pair(index: int, labels: np.ndarray) -> tuple[Frame, FrameResult]:
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    return Frame(index, rgb, index / 25), FrameResult(index, index / 25, labels, ())


def test_one_file_per_frame_named_by_its_index(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "masks"
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with MaskPngSink(folder) as sink:
        for index in (0, 7, 99_999, 123_456):
            sink.write(*pair(index, labels + index % 7))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["00000.png", "00007.png", "123456.png", "99999.png"]
    np.testing.assert_array_equal(read_label_png(folder / "123456.png"), labels + 123_456 % 7)


def test_what_was_written_stays_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), MaskPngSink(tmp_path) as sink:
        sink.write(*pair(3, np.ones((3, 4), np.uint8)))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["00003.png"]
    sink.close()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "masks").touch()
    with pytest.raises(OutputError, match=r"masks: cannot be written .*choose another place"):
        MaskPngSink(tmp_path / "masks")


def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    sink = MaskPngSink(tmp_path / "masks")
    (tmp_path / "masks").rmdir()
    with pytest.raises(OutputError, match=r"00001\.png: cannot be written"):
        sink.write(*pair(1, np.ones((3, 4), np.uint8)))
