"""Files of labelling programs as annotations of a run: which frames they are of, and names."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest

from persam_video.errors import AnnotationError, OutputError
from persam_video.masks import MaskFile, write_label_png
from persam_video.masks.formats import open_annotations
from persam_video.run import FrameRange, track, track_to_folder
from persam_video.run.annotations import load_annotations
from persam_video.run.export import export
from persam_video.run.marked_frames import SourceFrames, read_marked
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import read_run, read_tracks
from persam_video.sinks.outputs import parse_outputs, place_of
from persam_video.video.source import SourceInfo, SourceKind

SIZE = (64, 96)
INFO = SourceInfo("clip.mp4", SourceKind.FILE, 96, 64, Fraction(24), False, 60, None, False, None)
VIDEO = SourceFrames(INFO, FrameRange())


def images(*names):
    """A folder of images of these names."""
    info = SourceInfo(
        "shots", SourceKind.FOLDER, 96, 64, None, False, len(names), None, False, None
    )
    stems = {name.split(".")[0]: index for index, name in enumerate(names)}
    return SourceFrames(info, FrameRange(), stems)


def coco(path, *names, **more):
    """A file in which every image shows a square named cat, in its own place."""
    listed = [
        {"id": n, "file_name": name, "height": 64, "width": 96} | more
        for n, name in enumerate(names)
    ]
    shapes = [
        {"image_id": n, "category_id": 1, "segmentation": [[n, 1, n + 9, 1, n + 9, 9, n, 9]]}
        for n in range(len(names))
    ]
    categories = [{"id": 1, "name": "cat"}]
    path.write_text(json.dumps({"images": listed, "annotations": shapes, "categories": categories}))
    return path


def left_edges(marked):
    """The first column of the square of each frame, which tells the images apart."""
    return {
        i: int(annotation.labels.any(axis=0).argmax()) for i, annotation in marked.by_frame.items()
    }


@pytest.mark.parametrize(
    ("names", "source", "found"),
    [
        (["b.jpg"], images("a.png", "b.png"), {1: 0}),
        (["e\u0301.jpg"], images("a.png", "\u00e9.png"), {1: 0}),
        (["train/b.jpg", "train/z.jpg", "train/a.jpg"], images("a.png", "b.png"), {0: 2, 1: 0}),
        (["other/a.jpg", "shots/a.jpg", "shots/b.jpg"], images("a.png", "b.png"), {0: 1, 1: 2}),
        (["clip/00003.jpg", "dog/00000.jpg", "clip/00005.jpg"], VIDEO, {3: 0, 5: 2}),
        (["frame_000040.png", "frame_000004.png"], VIDEO, {4: 1, 40: 0}),
        (["first.png"], VIDEO, {0: 0}),
        (["00000.png"], VIDEO, {0: 0}),
        (["photo 2024.png"], VIDEO, {0: 0}),  # no frame of this video
    ],
)
def test_frames_are_found_by_their_names(tmp_path, names, source, found):
    marked = read_marked(MaskFile(coco(tmp_path / "coco.json", *names)), None, source)
    assert left_edges(marked) == found
    assert marked.warnings == ()


@pytest.mark.parametrize(
    ("names", "index", "source", "message"),
    [
        (
            ["c.jpg"],
            None,
            images("a.png"),
            r"c\.jpg, which is not an image in shots; .*as in 0=",
        ),
        (["c.jpg", "d.jpg"], None, images("a.png"), r"none of its frames \(c\.jpg, d\.jpg\)"),
        (["a/1.jpg", "b/2.jpg"], None, VIDEO, r"2 videos \(a, b\), but not clip; .*#a"),
        (["000007.png"], None, VIDEO, r"could be frame 7 or the first frame; write 7=.*json or 0="),
        (
            ["a.png", "b.png"],
            None,
            VIDEO,
            r"which frame a\.png belongs to; .*0=.*#a\.png",
        ),
        (["x3.png", "y3.png"], None, VIDEO, r"cannot tell which frame y3\.png belongs to"),
        (["1.png", "2.png"], 5, VIDEO, r"2 annotated frames \(.*\); .* frame 5, as in 5=.*#1\.png"),
    ],
)
def test_what_is_in_doubt_is_asked_in_one_line(tmp_path, names, index, source, message):
    file = MaskFile(coco(tmp_path / "coco.json", *names))
    with pytest.raises(AnnotationError, match=message) as caught:
        read_marked(file, index, source)
    assert len(str(caught.value).splitlines()) == 1


def test_the_command_line_may_say_it(tmp_path):
    path = coco(tmp_path / "coco.json", "a.png", "b.png", "7.png")
    assert left_edges(read_marked(MaskFile.of(f"{path}#b.png"), 12, VIDEO)) == {12: 1}
    assert left_edges(read_marked(MaskFile.of(f"{path}#b"), None, VIDEO)) == {0: 1}
    numbered = coco(tmp_path / "more.json", "3.png", "7.png")
    assert left_edges(read_marked(MaskFile(numbered), 7, VIDEO)) == {7: 1}
    told = coco(tmp_path / "told.json", "a.png", frame_index=9)
    assert left_edges(read_marked(MaskFile(told), None, VIDEO)) == {9: 0}


def test_frames_that_are_not_tracked_are_left_out_with_a_warning(tmp_path):
    path = coco(tmp_path / "coco.json", "2.png", "7.png", "9.png")
    source = SourceFrames(INFO, FrameRange(start=5, stop=8))
    marked = read_marked(MaskFile(path), None, source)
    assert left_edges(marked) == {7: 1}
    assert marked.warnings == (
        f"{path}: 2 annotated frame(s) outside the tracked range are ignored",
    )
    with pytest.raises(AnnotationError, match="frame 2 is of a frame that is not tracked"):
        load_annotations(path, INFO, FrameRange(start=20))
    beyond = coco(tmp_path / "beyond.json", "2.png", "70.png")
    with pytest.raises(AnnotationError, match="frame 70 is beyond the end"):
        load_annotations(beyond, INFO, FrameRange())


def test_more_frames_than_memory_holds_are_refused(tmp_path):
    path = coco(tmp_path / "coco.json", *(f"{n}.png" for n in range(60)))
    info = SourceInfo("clip", SourceKind.FILE, 9600, 6400, None, False, None, None, False, None)
    with pytest.raises(AnnotationError, match=r"60 annotated frames, too many.*#0\.png"):
        read_marked(MaskFile(path), None, SourceFrames(info, FrameRange()))


def cvat(path, squares, *indices):
    """The squares of some frames as tracks of CVAT, named."""
    lines = []
    for object_id, name in ((1, "red one"), (2, 'blue & "cold"')):
        label = name.replace("&", "&amp;").replace('"', "&quot;")
        lines.append(f'<track id="{object_id}" label="{label}">')
        for index in indices:
            rows, columns = (squares.truth[index] == object_id).nonzero()
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            x0, y0, x1, y1 = box
            lines.append(
                f'<polygon frame="{index}" keyframe="1" outside="0" '
                f'points="{x0},{y0};{x1},{y0};{x1},{y1};{x0},{y1}"/>'
            )
        lines.append("</track>")
    path.write_text(f"<annotations>{''.join(lines)}</annotations>")
    return path


@pytest.fixture
def run(squares, settings, loaded):
    """A run from the tracks of two frames."""
    file = cvat(squares.folder / "tracks.xml", squares, 0, 6)
    out = squares.folder / "out"
    outputs = parse_outputs(["coco,ytvos,labelme,cvat,table"])
    track_to_folder(squares.frames, file, out, settings=settings, model=loaded, outputs=outputs)
    return out


NAMES = {1: "red one", 2: 'blue & "cold"'}


def test_names_come_out_in_every_output(run, squares):
    record = read_run(run / "run.json")
    assert record.names == {str(i): name for i, name in NAMES.items()}
    assert list(record.references) == ["0", "6"]
    lines = list(read_tracks(run / "tracks.jsonl"))
    assert all({o.object_id: o.name for o in line.objects} == NAMES for line in lines)
    np.testing.assert_array_equal(lines[6].result(SIZE).labels, squares.truth[6])
    with (run / "table.csv").open(newline="") as file:
        assert {(row["object"], row["name"]) for row in csv.DictReader(file)} == {
            (str(i), name) for i, name in NAMES.items()
        }


@pytest.mark.parametrize("output", ["coco", "ytvos", "labelme", "cvat"])
def test_outputs_with_names_are_read_as_annotations_again(run, squares, output):
    (kind,) = parse_outputs([output])
    again = squares.folder / ("again" + place_of(kind, run).suffix)
    export(run, kind, again, source=squares.frames)
    lines = list(read_tracks(run / "tracks.jsonl"))
    for place in (place_of(kind, run), again):
        with open_annotations(place) as found:
            annotations = [
                annotation.annotation for annotation in found.annotations(found.frames, SIZE)
            ]
        assert len(annotations) == len(lines)
        for line, annotation in zip(lines, annotations, strict=True):
            assert annotation.names == NAMES
            labels = line.result(SIZE).labels
            if output in ("coco", "ytvos"):
                np.testing.assert_array_equal(annotation.labels, labels)
            else:  # polygons of few points
                assert (annotation.labels != labels).mean() < 0.01


def test_a_run_is_resumed_with_the_same_names_only(run, squares, settings, loaded):
    file = squares.folder / "tracks.xml"
    options = {"settings": settings, "model": loaded, "resume": True}
    assert track_to_folder(squares.frames, file, run, **options).frames_done == 12
    file.write_text(file.read_text().replace("red one", "red two"))
    with pytest.raises(OutputError, match=r"names\.1 was red one, now red two"):
        track_to_folder(squares.frames, file, run, **options)


def test_results_have_names_one_by_one(squares, settings, loaded):
    file = cvat(squares.folder / "tracks.xml", squares, 0)
    first = next(track(squares.frames, file, settings=settings, model=loaded))
    assert {o.object_id: o.name for o in first.objects} == NAMES


def test_what_is_read_is_not_written_to(squares, settings, loaded):
    folder = squares.folder / "marks"
    folder.mkdir()
    write_label_png(folder / "00000.png", squares.truth[0])
    for out in (folder, folder / "out"):
        with pytest.raises(OutputError):
            track_to_folder(squares.frames, folder, out, settings=settings, model=loaded)
    assert not OutputPaths(folder).record.exists()
