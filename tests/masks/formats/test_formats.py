"""Files that other programs wrote, and those of a form that their programs only read.

``files`` holds what ``other_programs.py`` beside it wrote with labelme 6.3.1 and datumaro 1.13.12.
With these in the environment that ``PERSAM_VIDEO_OTHER_PYTHON`` names, it is written anew, too.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as pycocotools

from persam_video.errors import AnnotationError
from persam_video.masks import davis_palette, read_annotation, write_label_png
from persam_video.masks.formats import open_annotations

HERE = Path(__file__).parent
SIZE = (64, 96)


def cat(index):
    """The rectangle that ``other_programs.py`` gives as a polygon."""
    mask = np.zeros(SIZE, bool)
    mask[8:30, 10 + index : 40 + index] = True
    return mask


def dog(index):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - 44) ** 2 + (columns - 60 - index) ** 2 < 150


@pytest.fixture(scope="module", params=["kept", "anew"])
def files(request, tmp_path_factory):
    """The files of other programs: those that are kept here, and new ones."""
    if request.param == "kept":
        return HERE / "files"
    folder = tmp_path_factory.mktemp("anew")
    python = os.environ.get("PERSAM_VIDEO_OTHER_PYTHON", sys.executable)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    importable = [python, "-c", "import labelme, datumaro"]
    if subprocess.run(importable, capture_output=True, check=False).returncode:
        pytest.skip(f"labelme and datumaro are not installed (PERSAM_VIDEO_OTHER_PYTHON={python})")
    command = [python, HERE / "other_programs.py", folder]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("name", "ids", "frames"),
    [
        ("cvat_images", (1, 2), ["frame_000000.jpg", "frame_000004.jpg"]),
        ("cvat_tracks", (3, 7), ["0", "4"]),
        ("coco", (1, 2), ["frame_000000.jpg", "frame_000004.jpg"]),
        ("coco_tracks", (3, 7), ["frame_000000.jpg", "frame_000004.jpg"]),
        ("voc", (1, 2), ["frame_000000.png", "frame_000004.png"]),
    ],
)
def test_what_datumaro_wrote_is_read_to_the_pixel(files, tmp_path, name, ids, frames):
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", files / name)
    for path in (files / name, Path(archive)):
        with open_annotations(path) as found:
            assert [frame.title for frame in found.frames] == frames
            read = [frame.annotation for frame in found.annotations(found.frames)]
        for index, annotation in zip((0, 4), read, strict=True):
            assert annotation.names == dict(zip(ids, ("cat", "dog"), strict=True))
            np.testing.assert_array_equal(annotation.mask(ids[0]), cat(index))
            np.testing.assert_array_equal(annotation.mask(ids[1]), dog(index))


def test_what_labelme_wrote_is_read_to_the_pixel(files):
    with open_annotations(files / "labelme") as found:
        drawn = found.annotations(found.frames)
    for index, frame in zip((0, 4), drawn, strict=True):
        annotation = frame.annotation
        assert frame.frame.name == f"frame_{index:06d}.png"
        assert annotation.names == {1: "cat", 2: "dog", 3: "post", 4: "ball"}
        np.testing.assert_array_equal(annotation.mask(1), cat(index))
        np.testing.assert_array_equal(annotation.mask(2), dog(index))
        assert annotation.mask(3).sum() == 10 * 56
        assert annotation.mask(4).sum() == pytest.approx(np.pi * 8**2, rel=0.05)
        assert len(frame.warnings) == 2
        assert "1 box(es) are used as masks" in frame.warnings[1]
        assert "1 shape(s) without an area, such as lines, are ignored" in frame.warnings[0]


def test_one_file_of_labelme_is_one_annotation(files):
    annotation = read_annotation(files / "labelme" / "frame_000004.json", size=SIZE)
    np.testing.assert_array_equal(annotation.mask(2), dog(4))


@pytest.mark.parametrize("title", ["frame_000004.jpg", "frame_000004", "4"])
def test_one_frame_of_several_is_named(files, title):
    file = files / "cvat_images" / "default.xml"
    np.testing.assert_array_equal(read_annotation(f"{file}#{title}").mask(1), cat(4))
    with pytest.raises(AnnotationError, match=r"2 annotated frames.*frame_000000\.jpg, frame_0+4"):
        read_annotation(file)
    with pytest.raises(AnnotationError, match=r"has no frame 5, only frame_000000\.jpg"):
        read_annotation(f"{file}#5")


def coco(path, *annotations, **image):
    """A COCO file of one image."""
    image = {"id": 9, "file_name": "a/b.jpg", "height": SIZE[0], "width": SIZE[1]} | image
    categories = [{"id": 4, "name": "cat"}, {"id": 2, "name": "dog"}]
    listed = [{"id": n, "image_id": 9, "category_id": 4} | a for n, a in enumerate(annotations)]
    path.write_text(
        json.dumps({"images": [image], "annotations": listed, "categories": categories})
    )
    return path


def test_coco_codes_of_pycocotools_and_boxes(tmp_path):
    packed = pycocotools.encode(np.asfortranarray(dog(0).astype(np.uint8)))
    code = {"size": packed["size"], "counts": packed["counts"].decode()}
    ring = [[10, 8, 40, 8, 40, 30, 10, 30], [50, 0, 60, 0, 60, 10, 50, 10]]
    found = read_annotation(
        coco(
            tmp_path / "coco.json",
            {"segmentation": code, "category_id": 2},
            {"segmentation": ring},
            {"bbox": [70, 2, 4, 6], "segmentation": []},
        )
    )
    assert found.names == {1: "dog", 2: "cat", 3: "cat"}
    np.testing.assert_array_equal(found.mask(1), dog(0))
    assert found.mask(2).sum() == 30 * 22 + 100
    assert found.mask(3).sum() == 24


def test_pycocotools_fills_polygons_likewise(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(20):
        points = rng.uniform((0, 0), (SIZE[1], SIZE[0]), (rng.integers(3, 7), 2)).ravel().tolist()
        codes = pycocotools.frPyObjects([points], *SIZE)
        theirs = pycocotools.decode(codes)[..., 0] > 0
        ours = read_annotation(coco(tmp_path / f"{number}.json", {"segmentation": [points]}))
        # along the edges only, where it rounds otherwise
        edge = 2 * np.abs(np.diff(np.array(points).reshape(-1, 2), axis=0, append=0)).sum()
        assert (ours.mask(1) != theirs).sum() < 0.3 * edge


def test_cvat_knows_ellipses_turned_boxes_depth_and_tracks_that_end(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text(
        """<?xml version="1.0" encoding="utf-8"?>
        <annotations><version>1.1</version>
        <meta><job><original_size><width>96</width><height>64</height></original_size></job></meta>
        <track id="0" label="plate">
          <ellipse frame="2" keyframe="1" outside="0" cx="48" cy="32" rx="20" ry="10" z_order="1"/>
          <ellipse frame="3" keyframe="0" outside="0" cx="49" cy="32" rx="20" ry="10" z_order="1"/>
          <ellipse frame="4" keyframe="1" outside="1" cx="50" cy="32" rx="20" ry="10" z_order="1"/>
        </track>
        <track id="1" label="table">
          <box frame="2" keyframe="1" outside="0" rotation="90" z_order="0"
               xtl="20" ytl="20" xbr="76" ybr="44"/>
          <skeleton frame="2" keyframe="1" z_order="0"/>
        </track></annotations>"""
    )
    with open_annotations(path) as found:
        assert [frame.index for frame in found.frames] == [2]
        (drawn,) = found.annotations(found.frames, SIZE)
    plate, table = drawn.annotation.mask(1), drawn.annotation.mask(2)
    assert drawn.annotation.names == {1: "plate", 2: "table"}
    assert plate.sum() == pytest.approx(np.pi * 200, rel=0.03)  # over the table, though before it
    assert table.any(axis=0).nonzero()[0].tolist() == list(range(36, 60))
    assert (plate | table)[4:60, 36:60].all()


def test_youtube_vos_has_tracks_or_a_list_beside_pictures(tmp_path):
    code = pycocotools.encode(np.asfortranarray(cat(4).astype(np.uint8)))
    code["counts"] = code["counts"].decode()
    tracks = {
        "videos": [
            {"id": 5, "file_names": ["clip/00000.jpg", "clip/00005.jpg"], "height": 64, "width": 96}
        ],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [{"id": 8, "video_id": 5, "category_id": 3, "segmentations": [None, code]}],
    }
    (tmp_path / "tracks.json").write_text(json.dumps(tracks))
    found = read_annotation(tmp_path / "tracks.json")
    np.testing.assert_array_equal(found.mask(8), cat(4))
    assert found.names == {8: "cat"}

    labels = np.where(dog(0), 2, 0).astype(np.uint8)
    (tmp_path / "Annotations" / "clip").mkdir(parents=True)
    write_label_png(tmp_path / "Annotations" / "clip" / "00005.png", labels)
    objects = {"2": {"category": "dog", "frames": ["00005"]}}
    (tmp_path / "meta.json").write_text(json.dumps({"videos": {"clip": {"objects": objects}}}))
    for place in (tmp_path / "meta.json", f"{tmp_path / 'meta.json'}#clip"):
        found = read_annotation(place)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.names == {2: "dog"}


def test_folders_of_trackers(tmp_path):
    labels = np.where(dog(0), 7, np.where(cat(0), 3, 0)).astype(np.uint8)
    (tmp_path / "xmem").mkdir()
    write_label_png(tmp_path / "xmem" / "00002.png", labels)
    for object_id in (3, 7):
        folder = tmp_path / "sam2" / f"{object_id:03d}"
        folder.mkdir(parents=True)
        Image.fromarray((labels == object_id).astype(np.uint8) * 255).save(folder / "00002.png")
    for name in ("xmem", "sam2"):
        found = read_annotation(tmp_path / name)
        np.testing.assert_array_equal(found.labels, labels)
        assert (found.object_ids, found.names) == ((3, 7), {})
    write_label_png(tmp_path / "xmem" / "00003.png", np.zeros(SIZE, np.uint8))  # all have left
    with open_annotations(tmp_path / "xmem") as opened:
        assert [frame.name for frame in opened.frames] == ["00002.png", "00003.png"]
        first, none = opened.annotations(opened.frames)
        assert none is None
        np.testing.assert_array_equal(first.annotation.labels, labels)


def test_voc_without_objects_has_one_of_each_class(tmp_path):
    (tmp_path / "SegmentationClass").mkdir()
    classes = np.where(dog(0), 12, np.where(cat(0), 8, 0)).astype(np.uint8)
    classes[0] = 255  # void
    image = Image.fromarray(classes)
    image.putpalette(davis_palette().tobytes())
    image.save(tmp_path / "SegmentationClass" / "2007_000032.png")
    found = read_annotation(tmp_path)
    assert found.names == {1: "cat", 2: "dog"}
    np.testing.assert_array_equal(found.mask(2), dog(0))


def labelme(path, *shapes, **more):
    shapes = [
        {"label": "dog", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"} | shape
        for shape in shapes
    ]
    document = {"imagePath": "a.jpg", "imageHeight": 64, "imageWidth": 96, "shapes": shapes}
    path.write_text(json.dumps(document | more))
    return path


def test_shapes_of_a_group_are_one_object_and_others_their_own(tmp_path):
    right = {"points": [[60, 1], [69, 1], [69, 9]]}
    both = read_annotation(labelme(tmp_path / "a.json", {"group_id": 4}, {"group_id": 4} | right))
    assert (both.object_ids, both.names) == ((4,), {4: "dog"})
    apart = read_annotation(labelme(tmp_path / "b.json", {}, right))
    assert (apart.object_ids, apart.names) == ((1, 2), {1: "dog", 2: "dog"})
    nameless = read_annotation(labelme(tmp_path / "c.json", {"label": "object", "group_id": 5}))
    assert (nameless.object_ids, nameless.names) == ((5,), {})


@pytest.mark.parametrize(
    ("label", "names"),
    [("a\x00b\n", {1: "a b"}), ("\ud800", {}), ("\t", {}), ("Müller's 鯉", {1: "Müller's 鯉"})],
)
def test_names_can_be_written_to_every_format(tmp_path, label, names):
    assert read_annotation(labelme(tmp_path / "a.json", {"label": label})).names == names


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([{}, {"points": [[60, 1], [69, 1], [69, 9]]}], [{}]),  # two dogs and one
        ([{"group_id": 1}], [{"group_id": 2}]),  # groups count anew in every frame
    ],
)
def test_it_is_asked_which_object_is_which(tmp_path, first, second):
    labelme(tmp_path / "a.json", *first, imagePath="a.jpg")
    labelme(tmp_path / "b.json", *second, imagePath="b.jpg")
    with open_annotations(tmp_path) as found:
        assert len(found.annotations(found.frames[:1])) == 1
        with pytest.raises(AnnotationError, match=r"which 'dog' in a\.jpg.*b\.jpg.*#a\.jpg, or"):
            found.annotations(found.frames)


def test_what_has_no_pixel_is_told(tmp_path):
    beyond = {"label": "bird", "points": [[200, 1], [209, 1], [209, 9]]}
    with open_annotations(labelme(tmp_path / "a.json", {}, beyond)) as found:
        (drawn,) = found.annotations(found.frames)
    assert drawn.annotation.object_ids == (1,)
    assert [w.split(": ")[1] for w in drawn.warnings] == ["object 2 (bird) is ignored"]
    with pytest.raises(AnnotationError, match="no object lies within the frame"):
        read_annotation(labelme(tmp_path / "b.json", beyond))


def test_another_size_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match=r"is 96x64 pixels .*100x64.*; annotate frames of"):
        read_annotation(labelme(tmp_path / "a.json", {}), size=(64, 100))
    unknown = labelme(tmp_path / "b.json", {}, imageHeight=None)
    with pytest.raises(AnnotationError, match="does not state the size"):
        read_annotation(unknown)
    assert read_annotation(unknown, size=(64, 100)).size == (64, 100)


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_a_mask_of_labelme_may_reach_beyond_the_picture(tmp_path):
    shape = {
        "shape_type": "mask",
        "points": [[90, -4], [99, 5]],
        "mask": png(np.ones((10, 10)) > 0),
    }
    found = read_annotation(labelme(tmp_path / "a.json", shape))
    rows, columns = found.labels.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 5, 90, 95)
