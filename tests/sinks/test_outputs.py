"""Every output of a tiny clip, read back by other programs and compared with the label maps."""

import csv
import json
import sys
from fractions import Fraction
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from eval.common import iou
from persam_video.errors import ConfigError, OutputError
from persam_video.masks import read_label_png
from persam_video.results import FrameResult
from persam_video.sinks.outputs import (
    Output,
    SinkOptions,
    check_options,
    existing_files,
    open_sink,
    parse_outputs,
    place_of,
)
from persam_video.sinks.parquet import ParquetSink
from persam_video.sinks.threaded import ThreadedSink
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind

INFO = SourceInfo("clip.mp4", SourceKind.FILE, 96, 64, Fraction(25))
LENGTH = 7


def frames():
    """Object 2 moves, 5 enters in frame 2 and is lost in frame 4."""
    rng = np.random.default_rng(0)
    for index in range(LENGTH):
        labels = np.zeros((64, 96), np.uint8)
        labels[10:40, 5 + 3 * index : 30 + 3 * index] = 2
        labels[20:25, 10 + 3 * index : 15 + 3 * index] = 0
        ids = [2] if index < 2 else [2, 5]
        if index in (2, 3, 5, 6):
            labels[50:, 80:] = 5
        rgb = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) // 4 + 90
        scores = dict.fromkeys(ids, 0.9)
        result = FrameResult.from_labels(index, index / 25, labels, ids, scores=scores)
        yield Frame(index, rgb, index / 25), result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    for output in Output:
        with open_sink(output, place_of(output, folder), INFO, SinkOptions()) as sink:
            for pair in frames():
                sink.write(*pair)
    return folder


def test_only_whole_files_are_left(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        place_of(output, folder).name for output in Output
    )
    assert len(existing_files(folder)) == len(Output) - 3 + 4 * LENGTH


def test_coco_is_loaded_by_pycocotools_with_the_exact_masks(folder):
    loaded = COCO(place_of(Output.COCO, folder))
    for (_, result), image in zip(frames(), loaded.dataset["images"], strict=True):
        assert image["frame_index"] == result.index
        entries = loaded.loadAnns(loaded.getAnnIds(imgIds=image["id"]))
        assert [e["track_id"] for e in entries] == [o.object_id for o in result.objects if o.box]
        for entry in entries:
            mask = result.labels == entry["track_id"]
            np.testing.assert_array_equal(loaded.annToMask(entry), mask)
            np.testing.assert_array_equal(coco.toBbox(entry["segmentation"]), entry["bbox"])
            assert entry["area"] == mask.sum()


def test_pycocotools_takes_results_on_top(folder):
    loaded = COCO(place_of(Output.COCO, folder))
    loaded.info()
    boxes = [
        {"image_id": entry["image_id"], "category_id": 1, "bbox": entry["bbox"], "score": 0.5}
        for entry in loaded.dataset["annotations"]
    ]
    assert len(loaded.loadRes(boxes).anns) == len(boxes) > 0


def test_youtube_vos_has_a_place_for_every_frame(folder):
    data = json.loads(place_of(Output.YTVOS, folder).read_text())
    assert data["videos"][0]["length"] == len(data["videos"][0]["file_names"]) == LENGTH
    assert [annotation["id"] for annotation in data["annotations"]] == [2, 5]
    for annotation in data["annotations"]:
        columns = [annotation[key] for key in ("segmentations", "bboxes", "areas", "scores")]
        for (_, result), row in zip(frames(), zip(*columns, strict=True), strict=True):
            mask = result.labels == annotation["id"]
            if not mask.any():
                assert row == (None,) * 4
                continue
            np.testing.assert_array_equal(coco.decode(row[0]), mask)
            assert row[2] == mask.sum()


def test_mot_counts_from_one(folder):
    lines = list(csv.reader(place_of(Output.MOT, folder).open()))
    wanted = [(r.index, o) for _, r in frames() for o in r.objects if o.box]
    for line, (index, seen) in zip(lines, wanted, strict=True):
        x0, y0, x1, y1 = seen.box
        numbers = [index + 1, seen.object_id, x0 + 1, y0 + 1, x1 - x0, y1 - y0, 0.9, -1, -1, -1]
        assert [float(value) for value in line] == numbers


def test_the_table_has_lost_objects_too(folder):
    rows = list(csv.DictReader(place_of(Output.TABLE, folder).open()))
    wanted = [(r, o) for _, r in frames() for o in r.objects]
    for row, (result, seen) in zip(rows, wanted, strict=True):
        assert (int(row["frame"]), float(row["time"])) == (result.index, result.time)
        assert (int(row["object"]), row["state"]) == (seen.object_id, seen.state.value)
        box = tuple(int(row[key]) for key in ("x0", "y0", "x1", "y1") if row[key])
        assert box == (seen.box or ())
        assert int(row["area"]) == seen.area
    assert {row["state"] for row in rows} == {"tracked", "lost"}


def test_parquet_has_the_rows_of_the_table(folder):
    rows = pq.read_table(place_of(Output.PARQUET, folder)).to_pylist()
    lines = list(csv.DictReader(place_of(Output.TABLE, folder).open()))
    assert list(rows[0]) == list(lines[0])
    shown = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert shown == lines


def test_parquet_is_written_in_row_groups(tmp_path):
    with ParquetSink(tmp_path / "new" / "t.parquet", group_rows=5) as sink:
        for pair in frames():
            sink.write(*pair)
        assert not (tmp_path / "new" / "t.parquet").exists()
    read = pq.ParquetFile(tmp_path / "new" / "t.parquet")
    groups = [read.metadata.row_group(n).num_rows for n in range(read.num_row_groups)]
    assert len(groups) > 1
    assert sum(groups) == sum(len(result.objects) for _, result in frames())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.parquet"]


def test_parquet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(OutputError, match=r"pip install 'persam-video\[parquet\]'"):
        check_options([Output.PARQUET], tmp_path, SinkOptions())
    with pytest.raises(OutputError, match="use 'table' for CSV"):
        open_sink(Output.PARQUET, tmp_path / "t.parquet", INFO, SinkOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [Output.MOT, Output.TABLE, Output.PARQUET])
def test_a_failed_write_leaves_nothing_behind(tmp_path, output):
    path = tmp_path / "made"
    (tmp_path / ".made.part").symlink_to("/dev/full")
    sink = open_sink(output, path, INFO, SinkOptions())
    with pytest.raises(OutputError, match="made: cannot be written"), sink:
        for pair in frames():
            sink.write(*pair)
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_crf_is_the_quality_of_the_cutout_too(folder, tmp_path):
    how = SinkOptions(crf=60)
    with open_sink(Output.CUTOUT_WEBM, tmp_path / "c.webm", INFO, how) as sink:
        for pair in frames():
            sink.write(*pair)
    small, usual = (tmp_path / "c.webm"), place_of(Output.CUTOUT_WEBM, folder)
    assert small.stat().st_size < usual.stat().st_size / 2
    with pytest.raises(ConfigError, match="crf is 64; give a number from 0 to 63"):
        check_options([Output.CUTOUT_WEBM], tmp_path, SinkOptions(crf=64))


def test_masks_and_cutout_pictures_are_exact(folder):
    for frame, result in frames():
        name = f"{result.index:05d}.png"
        np.testing.assert_array_equal(
            read_label_png(place_of(Output.MASKS, folder) / name), result.labels
        )
        rgba = np.array(Image.open(place_of(Output.CUTOUT_PNG, folder) / name))
        inside = result.labels > 0
        np.testing.assert_array_equal(rgba[..., 3], inside * np.uint8(255))
        np.testing.assert_array_equal(rgba[inside, :3], frame.rgb[inside])


@pytest.mark.parametrize(
    ("output", "decoder", "tolerance"),
    [(Output.PRORES, "prores", 0), (Output.CUTOUT_WEBM, "libvpx-vp9", 40)],
)
def test_cutout_videos_have_alpha(folder, output, decoder, tolerance):
    with av.open(place_of(output, folder)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (96, 64, 25)
        context = av.CodecContext.create(decoder, "r")
        context.extradata = stream.codec_context.extradata
        context.width, context.height = 96, 64
        context.codec_tag = stream.codec_context.codec_tag
        decoded = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
    for frame, (_, result) in zip(decoded, frames(), strict=True):
        assert frame.format.name.startswith("yuva4")
        alpha = frame.to_ndarray(format="rgba")[..., 3].astype(int)
        wrong = np.abs(alpha - 255 * (result.labels > 0))
        assert (wrong > tolerance).mean() < 0.01


def filled(polygons, shape):
    """The pixels whose centres are in the polygons, drawn finely by OpenCV."""
    fine = np.zeros((shape[0] * 8, shape[1] * 8), np.uint8)
    for points in polygons:
        cv2.fillPoly(fine, [np.rint(np.array(points) * 8).astype(np.int32)], 1)
    return fine[4::8, 4::8].astype(bool)


def test_labelme_has_a_polygon_for_each_part(folder):
    for _, result in frames():
        path = place_of(Output.LABELME, folder) / f"{result.index:05d}.json"
        data = json.loads(path.read_text())
        assert Image.open(path.parent / data["imagePath"]).size == (96, 64)
        for seen in result.objects:
            polygons = [s["points"] for s in data["shapes"] if s["group_id"] == seen.object_id]
            assert bool(polygons) == (seen.box is not None)
            if polygons:
                assert iou(filled(polygons, (64, 96)), result.mask(seen.object_id)) > 0.9


def test_cvat_has_a_track_for_each_object_that_is_outside_while_lost(folder):
    root = ElementTree.parse(place_of(Output.CVAT, folder)).getroot()
    tracks = {int(track.get("id")): track.findall("polygon") for track in root.findall("track")}
    assert list(tracks) == [2, 5]
    assert [(s.get("frame"), s.get("outside")) for s in tracks[5]] == [
        ("2", "0"),
        ("3", "0"),
        ("4", "1"),
        ("5", "0"),
        ("6", "0"),
    ]
    for shape, (_, result) in zip(tracks[2], frames(), strict=True):
        points = [[float(v) for v in p.split(",")] for p in shape.get("points").split(";")]
        assert iou(filled([points], (64, 96)), result.mask(2)) > 0.9


FILES = [o for o in Output if not o.kind.folder_suffixes and o is not Output.TRACKS]


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("output", FILES)
def test_an_error_leaves_the_old_file_or_none(tmp_path, output, threaded):
    place = place_of(output, tmp_path)
    for before in (None, b"old"):
        if before is not None:
            place.write_bytes(before)
        sink = open_sink(output, place, INFO, SinkOptions())
        sink = ThreadedSink(sink) if threaded else sink
        with pytest.raises(KeyboardInterrupt), sink:
            for pair in list(frames())[:3]:
                sink.write(*pair)
            raise KeyboardInterrupt
        sink.close()
        left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert left == ({} if before is None else {place.name: before})


@pytest.mark.parametrize("output", Output)
def test_a_sink_that_is_closed_has_what_was_written_so_far(tmp_path, output):
    place = place_of(output, tmp_path)
    sink = open_sink(output, place, INFO, SinkOptions())
    for pair in list(frames())[:3]:
        sink.write(*pair)
    sink.close()
    sink.abort()  # does nothing any more
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == [place.name]
    if place.suffix == ".json":
        json.loads(place.read_text())
    if place.suffix in (".mp4", ".mov", ".webm"):
        with av.open(place) as container:
            assert len(list(container.decode(video=0))) == 3


@pytest.mark.parametrize("output", [o for o in Output if o is not Output.TRACKS])
def test_a_place_that_is_taken(tmp_path, output):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        open_sink(output, tmp_path / "file" / "a.mp4", INFO, SinkOptions())


def test_names_of_outputs():
    assert parse_outputs(["masks,coco", "mot", "coco"]) == (Output.MASKS, Output.COCO, Output.MOT)
    with pytest.raises(ConfigError, match=r"'ocerlay' is unknown: did you mean 'overlay'\?"):
        parse_outputs(["ocerlay"])
    with pytest.raises(ConfigError, match="no output"):
        parse_outputs([])
