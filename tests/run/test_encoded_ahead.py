"""Whole runs whose frames are encoded ahead, as on any machine of several cores."""

import threading
from collections.abc import Iterator

import pytest
import torch

from persam_video.run import track_to_folder
from persam_video.sinks import RunStatus


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def masks(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "masks").glob("*.png"))}


def test_an_interrupted_run_leaves_nothing_behind_and_goes_on(squares, settings, loaded, tmp_path):
    def run(name, **options):
        return track_to_folder(
            squares.frames,
            squares.truth[0],
            tmp_path / name,
            settings=settings,
            model=loaded,
            outputs=(),
            **options,
        )

    def interrupt(progress):
        if progress.done == 3:
            assert torch.get_num_threads() == 1  # each of two encoders has one
            raise KeyboardInterrupt

    whole = run("whole")
    assert whole.status is RunStatus.FINISHED
    cut = run("cut", on_progress=interrupt)
    assert cut.status is RunStatus.INTERRUPTED
    assert torch.get_num_threads() == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("encode")]
    assert run("cut", resume=True).frames_done == whole.frames_done
    assert masks(tmp_path / "cut") == masks(tmp_path / "whole")
