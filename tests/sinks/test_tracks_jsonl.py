import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from persam_video.errors import DatasetError, OutputError
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.sinks import FrameRecord, TracksJsonlSink, read_tracks
from persam_video.video.frame import Frame

IDS = (1, 4, 254)
label_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, *IDS]),
)


def pair(index: int, labels: np.ndarray, score: float = 0.5) -> tuple[Frame, FrameResult]:
    frame = Frame(index, np.zeros((*labels.shape, 3), np.uint8), index / 30)
    scores = dict.fromkeys(IDS, score)
    return frame, FrameResult.from_labels(index, index / 30, labels, IDS, scores=scores)


@given(frames=st.lists(label_maps, max_size=4), score=st.floats())
@settings(max_examples=40)
def test_round_trip(tmp_path: Path, frames: list[np.ndarray], score: float) -> None:
    path = tmp_path / "tracks.jsonl"
    results = [pair(2 * index, labels, score) for index, labels in enumerate(frames)]
    with TracksJsonlSink(path) as sink:
        for frame, result in results:
            sink.write(frame, result)
    records = list(read_tracks(path))
    assert len(records) == len(frames)
    for record, (_, result) in zip(records, results, strict=True):
        assert (record.frame, record.time) == (result.index, result.time)
        for got, written in zip(record.objects, result.objects, strict=True):
            assert (got.object_id, got.state) == (written.object_id, written.state)
            assert (got.box, got.area) == (written.box, written.area)
            assert math.isfinite(got.score)
            np.testing.assert_array_equal(got.mask(), result.mask(written.object_id))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_lines_are_as_documented(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[2:5, 1:7] = 4
    with TracksJsonlSink(tmp_path / "new" / "tracks.jsonl") as sink:
        sink.write(*pair(3, labels, score=1 / 3))
    (line,) = (tmp_path / "new" / "tracks.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert list(record) == ["frame", "time", "objects"]
    assert (record["frame"], record["time"]) == (3, 0.1)
    lost, tracked, _ = record["objects"]
    assert list(tracked) == ["id", "state", "score", "box", "area", "segmentation"]
    assert (tracked["id"], tracked["state"], tracked["score"]) == (4, "tracked", 0.333333)
    assert (tracked["box"], tracked["area"]) == ([1, 2, 6, 3], 18)
    np.testing.assert_array_equal(coco.decode(tracked["segmentation"]), labels == 4)
    assert (lost["id"], lost["state"], lost["box"], lost["area"]) == (1, "lost", None, 0)
    assert not coco.decode(lost["segmentation"]).any()


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    labels = np.ones((2, 2), np.uint8)
    box = tuple(np.array([0, 0, 2, 2]))
    objects = (ObjectResult(np.uint8(1), ObjectState.TRACKED, np.float32(0.5), box, np.int64(4)),)
    with TracksJsonlSink(tmp_path / "a") as sink:
        frame, _ = pair(0, labels)
        sink.write(frame, FrameResult(np.int64(0), np.float64(0), labels, objects))
    (record,) = read_tracks(tmp_path / "a")
    assert record.objects[0].box == (0, 0, 2, 2)


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    with TracksJsonlSink(path) as sink:
        for index in range(3):
            sink.write(*pair(index, np.ones((2, 2), np.uint8)))
            assert len(list(read_tracks(path))) == index + 1
    sink.close()


def two_lines(path: Path) -> bytes:
    with TracksJsonlSink(path) as sink:
        for index in range(2):
            sink.write(*pair(index, np.full((4, 5), 4, np.uint8)))
    return path.read_bytes()


def test_a_last_line_cut_anywhere_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    content = two_lines(path)
    whole = list(read_tracks(path))
    first_end = content.index(b"\n") + 1
    for length in range(first_end, len(content) - 1):
        path.write_bytes(content[:length])
        assert list(read_tracks(path)) == whole[:1]
    path.write_bytes(content[:-1])
    assert list(read_tracks(path)) == whole


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"",
        b"[]",
        b"null",
        b'{"frame": 0, "time": 0, "objects": [{}]}',
        b'{"frame": 0, "time": 0, "objects": [{"id": 300, "state": "lost", "score": 0, "area": 0, '
        b'"box": null, "segmentation": {"size": [4, 5], "counts": "d0"}}]}',
        b'{"frame": 0, "time": NaN, "objects": []}',
        b'{"frame": 0, "time": "x", "objects": []}',
        b'{"frame": 1e999, "time": 0, "objects": []}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_line_in_between_is_an_error(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "tracks.jsonl"
    first, second = two_lines(path).splitlines(keepends=True)
    path.write_bytes(first + line + b"\n" + second)
    records = read_tracks(path)
    assert next(records).frame == 0
    with pytest.raises(DatasetError, match="line 2 is not a line of tracks") as raised:
        next(records)
    assert "\n" not in str(raised.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        TracksJsonlSink(tmp_path)
    with pytest.raises(DatasetError, match="cannot be read"):
        list(read_tracks(tmp_path / "missing"))


def test_records_are_values() -> None:
    assert FrameRecord(1, 0.5, ()) == FrameRecord(1, 0.5, ())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
def test_a_full_disk_is_one_clear_error() -> None:
    sink = TracksJsonlSink("/dev/full")
    with pytest.raises(OutputError, match="free some space"):
        sink.write(*pair(0, np.ones((2, 2), np.uint8)))
    with pytest.raises(OutputError, match="free some space"):
        sink.close()
    sink.close()


def test_a_code_of_another_size_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "tracks.jsonl"
    # seven letters that may stand for a mask of 2**33 pixels
    line = json.loads(two_lines(path).splitlines()[0])
    line["objects"][0]["segmentation"] = {"size": [1 << 17, 1 << 16], "counts": "PPPPPP8"}
    path.write_text(json.dumps(line) + "\n")
    (record,) = read_tracks(path)
    with pytest.raises(ValueError, match="object 1 is of another size"):
        record.result((4, 5))
