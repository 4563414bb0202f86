"""The functions as CVAT's own program runs them, from its requests to its answers."""

import numpy as np
import pytest
from PIL import Image

from persam_video.masks import write_label_png
from tests.plugins.cvat.server import Task, serving
from tests.studio.conftest import SIZE, draw

cvat_cli = pytest.importorskip("cvat_cli.__main__", reason="no cvat-cli: pip install cvat-cli")
masks = pytest.importorskip("cvat_sdk.masks", reason="no cvat-sdk (the extra 'cvat')")

SMALL = ["-p", "preset=str:small.yaml"]


@pytest.fixture
def squares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text("model: {image_size: 256, device: cpu}\n")
    return draw(tmp_path / "frames", length=4)


@pytest.fixture
def task(squares):
    return Task(sorted(squares.frames.glob("*.png")))


def run(task, monkeypatch, *words):
    """Run cvat-cli against a server with the task."""
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", "secret")
    with serving(task) as address:
        return cvat_cli.main(["--server-host", address, *words])


def agent(task, monkeypatch, module, requests):
    """Register a function and answer requests with it."""
    function = ["--function-module", f"persam_video.plugins.cvat.{module}", *SMALL]
    assert run(task, monkeypatch, "function", "create-native", "ours", *function) == 0
    task.requests = requests
    assert run(task, monkeypatch, "function", "run-agent", "3", *function, "--burst") == 0
    assert task.failures == []
    return task.answers


def pixels(points):
    return masks.decode_mask(points, image_width=SIZE[1], image_height=SIZE[0])


def iou(mask, box):
    inside = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = box
    inside[y0:y1, x0:x1] = True
    return (mask & inside).sum() / (mask | inside).sum()


def test_clicks_and_boxes_become_masks(task, squares, monkeypatch):
    x, y = squares.centre(0, 1)
    x0, y0, x1, y1 = squares.boxes[0][2]
    nothing = {"type": "interact", "frame": 0, "pos_points": [], "neg_points": [], "obj_bbox": []}
    asked = [
        nothing | {"pos_points": [[x, y]], "neg_points": [[90.0, 60.0]]},
        nothing | {"obj_bbox": [[x0 - 1, y0 - 1], [x1 + 1, y1 + 1]]},
        nothing | {"neg_points": [[90.0, 60.0]]},
    ]
    clicked, boxed, beside = agent(task, monkeypatch, "interactor", asked)
    assert task.function["kind"] == "interactor"
    assert task.function["startswith_box_optional"] is True
    assert iou(pixels(clicked["shapes"][0]["points"]), squares.boxes[0][1]) > 0.8
    assert iou(pixels(boxed["shapes"][0]["points"]), squares.boxes[0][2]) > 0.8
    assert beside["shapes"] == []


def test_shapes_of_every_kind_are_followed(task, squares, monkeypatch):
    x0, y0, x1, y1 = squares.boxes[0][1]
    marked = np.zeros(SIZE, bool)
    marked[y0:y1, x0:x1] = True
    shapes = [
        {"type": "mask", "points": masks.encode_mask(marked)},
        {"type": "polygon", "points": [x0, y0, x1, y0, x1, y1, x0, y1]},
        {"type": "rectangle", "points": [x0, y0, x1, y1]},
    ]
    asked = [{"type": "init_tracking", "frame": 0, "shapes": shapes}]
    asked += [{"type": "track", "frame": i, "states": []} for i in (1, 2, 3)]
    begun, *followed = agent(task, monkeypatch, "tracker", asked)
    assert task.function["supported_shape_types"] == ["mask", "polygon", "rectangle"]
    assert len(begun["states"]) == 3
    for index, answer in enumerate(followed, 1):
        mask, polygon, rectangle = answer["shapes"]
        truth = squares.boxes[index][1]
        assert iou(pixels(mask["points"]), truth) > 0.8
        corners = np.array(polygon["points"]).reshape(-1, 2)
        ends = [*corners.min(axis=0), *corners.max(axis=0)]
        for found in (rectangle["points"], ends):
            assert found == pytest.approx(truth, abs=2)


@pytest.mark.parametrize("as_polygons", [False, True])
def test_objects_of_a_photo_are_found_in_a_task(task, squares, monkeypatch, as_polygons):
    labels = np.zeros(SIZE, np.uint8)
    x0, y0, x1, y1 = squares.boxes[0][1]
    labels[y0:y1, x0:x1] = 1
    write_label_png("mask.png", labels)
    words = ["task", "auto-annotate", "1", *SMALL]
    words += ["--function-module", "persam_video.plugins.cvat.detector"]
    words += ["-p", f"photo=str:{task.images[0]}", "-p", "mask=str:mask.png"]
    words += ["-p", "label=str:red", *["--conv-mask-to-poly"] * as_polygons]
    assert run(task, monkeypatch, *words) == 0
    assert [shape["frame"] for shape in task.shapes] == [0, 1, 2, 3]
    for shape, boxes in zip(task.shapes, squares.boxes, strict=True):
        assert (shape["label_id"], shape["source"]) == (7, "auto")
        if as_polygons:
            corners = np.array(shape["points"]).reshape(-1, 2)
            ends = [*corners.min(axis=0), *corners.max(axis=0)]
            assert ends == pytest.approx(boxes[1], abs=2)
        else:
            assert iou(pixels(shape["points"]), boxes[1]) > 0.8


def test_an_object_without_a_name_is_refused_in_one_line(task, monkeypatch):
    Image.new("1", SIZE[::-1], 1).save("mask.png")
    words = ["task", "auto-annotate", "1"]
    words += ["--function-module", "persam_video.plugins.cvat.detector"]
    words += ["-p", f"photo=str:{task.images[0]}", "-p", "mask=str:mask.png"]
    with pytest.raises(SystemExit, match=r"^persam-video: error: .*give -p label=str:NAME"):
        run(task, monkeypatch, *words)
