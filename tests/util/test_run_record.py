import json
import os
from dataclasses import asdict, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from persam_video.errors import DatasetError, OutputError
from persam_video.results import ObjectState
from persam_video.sinks import (
    ModelRecord,
    RunRecord,
    RunStatus,
    installed_versions,
    read_run,
    write_run,
)
from persam_video.util.run_record import recording

RUN = RunRecord(
    model=ModelRecord("lite", "ab" * 32),
    settings={"method": "persam", "alpha": 0.3, "points": [1, 2]},
    source={"path": "é clip.mp4", "size": [480, 854]},
    timings={"encode": 1.5},
    warnings=["the video ends early"],
)


def test_round_trip(tmp_path: Path) -> None:
    write_run(tmp_path / "run.json", RUN)
    assert read_run(tmp_path / "run.json") == RUN
    done = replace(RUN, status=RunStatus.FAILED, frames_done=80, error="disk full")
    write_run(tmp_path / "run.json", done)
    assert read_run(tmp_path / "run.json") == done
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_new_record_knows_when_and_with_what() -> None:
    assert RUN.status is RunStatus.RUNNING
    assert datetime.fromisoformat(RUN.started).tzinfo is not None
    assert RUN.versions == installed_versions()
    assert {"python", "persam-video", "torch", "numpy", "av", "pillow"} <= RUN.versions.keys()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Path("a/b.mp4"), "a/b.mp4"),
        (Fraction(24000, 1001), "24000/1001"),
        (ObjectState.LOST, "lost"),
        ((1, 2.5), [1, 2.5]),
        ({"deep": (Path("a"),)}, {"deep": ["a"]}),
        ({4: True}, {"4": True}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (np.float64("-inf"), "-inf"),
        (None, None),
    ],
)
def test_values_without_a_place_in_json(tmp_path: Path, value: object, stored: object) -> None:
    write_run(tmp_path / "run.json", replace(RUN, settings={"value": value}))
    assert read_run(tmp_path / "run.json").settings == {"value": stored}
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text


def test_a_key_of_a_later_version_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**asdict(RUN), "later": 1}))
    assert read_run(tmp_path / "run.json") == RUN


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        json.dumps({**asdict(RUN), "status": "sleeping"}).encode(),
        json.dumps({**asdict(RUN), "model": "lite"}).encode(),
    ],
)
def test_what_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(DatasetError, match="is not the record of a run") as raised:
        read_run(tmp_path / "run.json")
    assert "\n" not in str(raised.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_run(tmp_path / "run.json")
    with pytest.raises(OutputError, match="cannot be written"):
        write_run(tmp_path / "missing" / "run.json", RUN)


@pytest.mark.parametrize(
    "change",
    [
        {"frames_done": "3"},
        {"frames_done": None},
        {"frames_done": -1},
        {"frames_done": 10**400},
        {"timings": {"track": 10**400}},
        {"timings": {"track": float("nan")}},
        {"timings": [1.5]},
        {"timings": {"track": "long"}},
        {"warnings": "none"},
        {"settings": []},
        {"references": [1]},
        {"resumed_at": 5},
        {"frames_dropped": "many"},
        {"model": {"name": "lite", "sha256": 5}},
    ],
    ids=str,
)
def test_a_field_of_another_type_is_no_record(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**asdict(RUN), **change}))
    with pytest.raises(DatasetError, match="is not the record of a run"):
        read_run(tmp_path / "run.json")


def test_a_file_name_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    odd = replace(RUN, source={"path": os.fsdecode(b"caf\xe9.mp4")})
    write_run(tmp_path / "run.json", odd)
    assert os.fsencode(read_run(tmp_path / "run.json").source["path"]) == b"caf\xe9.mp4"


def test_what_failed_is_told_even_where_the_record_cannot_be_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(DatasetError, match="the first fault"), recording(out / "run.json", RUN):
        (out / "run.json").unlink()
        out.rmdir()
        raise DatasetError("the first fault")
