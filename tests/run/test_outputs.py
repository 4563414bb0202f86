"""What becomes of the folder of an earlier run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persam_video.errors import DatasetError, OutputError
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import ModelRecord, RunRecord, RunStatus, write_run

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be somebody whom permissions concern."""
    if os.getuid():
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def earlier() -> Iterator[OutputPaths]:
    """Give the folder of a finished run, where everybody may go."""
    if not hasattr(os, "setresuid"):
        pytest.skip("this system has no such permissions")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        (folder / "masks").mkdir(parents=True)
        for made in (Path(name), folder, folder / "masks"):
            made.chmod(0o777)
        record = RunRecord(ModelRecord("lite", ""), settings={}, source={"width": 8})
        record.status, record.frames_done = RunStatus.FINISHED, 1
        paths = OutputPaths(folder)
        write_run(paths.record, record)
        (paths.masks / "00000.png").touch()
        paths.tracks.touch()
        yield paths
        paths.masks.chmod(0o777)


def test_a_run_that_cannot_be_replaced_stays_finished(earlier: OutputPaths) -> None:
    before = earlier.record.read_bytes()
    earlier.masks.chmod(0o555)
    with as_nobody(), pytest.raises(OutputError, match=r"masks: cannot be written .*denied"):
        earlier.prepare(overwrite=True)
    assert earlier.record.read_bytes() == before
    assert earlier.tracks.exists()
    earlier.masks.chmod(0o777)
    with as_nobody():
        earlier.prepare(overwrite=True)
    assert not list(earlier.masks.iterdir())


def test_a_record_that_may_not_be_read_is_told_as_such(earlier: OutputPaths) -> None:
    earlier.record.chmod(0)
    with as_nobody(), pytest.raises(DatasetError, match=r"run\.json: cannot be read .*denied"):
        earlier.prepare(overwrite=True)
