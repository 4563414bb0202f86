"""A run that will take long says so when its first frame is encoded."""

import logging
import re
import time

import pytest

from eval.nano_sam import load_nano_sam
from persam_video.cli.progress import progress_bar
from persam_video.config import load_settings
from persam_video.run import track_to_folder
from persam_video.sam.model import SamModel


class SlowSam(SamModel):
    """One that takes a second and more for a frame."""

    def encode(self, *args):
        time.sleep(1)
        return super().encode(*args)


@pytest.fixture
def slow(shared_data):
    return load_nano_sam(shared_data / "parity", SlowSam)


@pytest.fixture
def many(squares):
    """Give a function that makes a folder of so many frames."""

    def make(count):
        folder = squares.folder / f"frames-{count}"
        folder.mkdir()
        pictures = sorted(squares.frames.iterdir())
        for index in range(count):
            place = folder / f"{index:05d}.png"
            place.symlink_to(pictures[index % len(pictures)])
        return folder

    return make


def stop_after(number, seen):
    def count(progress):
        seen.append(progress)
        if len(seen) == number:
            raise KeyboardInterrupt

    return count


def test_a_long_run_tells_how_long_it_will_take_and_what_lite_takes(
    many, squares, slow, tmp_path, caplog
):
    seen = []
    with caplog.at_level(logging.INFO, "persam_video"):
        track_to_folder(
            many(1201),
            squares.truth[0],
            tmp_path / "out",
            model=slow,
            outputs=(),
            on_progress=stop_after(2, seen),
        )
    first, second = (progress.estimate for progress in seen)
    assert second is None  # it is told once
    assert first.frames == 1200
    assert first.frame_seconds > 1
    assert first.seconds == 1200 * first.frame_seconds
    assert 0 < first.lite_frame_seconds < first.frame_seconds
    assert str(first) in caplog.messages
    line = (
        r"\S+ needs about \d+\.\d s per frame on this machine: about \d\S* (minutes|hours) for "
        r"1200 frames; --model lite takes about \d\S* (minutes?|hours)"
    )
    assert re.fullmatch(line, str(first))


def test_the_pass_backwards_is_estimated_on_its_own(many, squares, slow, tmp_path):
    seen = []
    track_to_folder(
        many(130),
        {120: squares.truth[0]},
        tmp_path / "out",
        model=slow,
        outputs=(),
        backward=True,
        on_progress=stop_after(1, seen),
    )
    assert seen[0].backwards
    assert seen[0].estimate.frames == 120


def test_the_procedure_upstream_is_estimated_too(many, squares, slow, tmp_path):
    seen = []
    track_to_folder(
        many(100),
        squares.truth[0],
        tmp_path / "out",
        model=slow,
        settings=load_settings("upstream"),
        outputs=(),
        on_progress=stop_after(1, seen),
    )
    assert seen[0].estimate.frames == 99


def test_a_short_run_tells_nothing(many, squares, slow, tmp_path):
    seen = []
    track_to_folder(
        many(3),
        squares.truth[0],
        tmp_path / "out",
        model=slow,
        outputs=(),
        on_progress=seen.append,
    )
    assert [progress.estimate for progress in seen] == [None] * 3


def test_the_estimate_is_a_line_above_the_bar(many, squares, slow, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", "200")
    seen = []
    count = stop_after(1, seen)
    with progress_bar() as show:

        def both(progress):
            show(progress)
            count(progress)

        track_to_folder(
            many(200),
            squares.truth[0],
            tmp_path / "out",
            model=slow,
            outputs=(),
            on_progress=both,
        )
    assert str(seen[0].estimate) in capsys.readouterr().err
