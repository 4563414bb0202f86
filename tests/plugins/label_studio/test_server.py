"""Requests as Label Studio sends them, and what it gets."""

import numpy as np
import pytest

pytest.importorskip("starlette", reason="no starlette (the extra 'studio')")
from starlette.testclient import TestClient

from persam_video.masks.polygons import filled
from persam_video.plugins.label_studio.backend import Backend
from persam_video.plugins.label_studio.media import Media
from persam_video.plugins.label_studio.server import USER, make_app
from tests.studio.conftest import LENGTH, SIZE

PASSWORD = "abcdefghijklmnop"
PICTURE = """<View><Image name="img" value="$image"/>
<KeyPointLabels name="points" toName="img" smart="true"><Label value="red"/></KeyPointLabels>
<{tool} name="masks" toName="img"><Label value="red"/></{tool}></View>"""
VIDEO = """<View><Labels name="labels" toName="video"><Label value="red"/></Labels>
<Video name="video" value="$video" frameRate="25"/><VideoRectangle name="box" toName="video"/>
</View>"""
PHOTO = {"image": "/data/local-files/?d=photo.png"}
CLIP = {"video": "/data/local-files/?d=clip.mp4"}
BRUSH = PICTURE.format(tool="BrushLabels")


@pytest.fixture
def serve(root, tmp_path, settings, shared):
    """Give a function that makes a client of a backend."""

    def make(seconds=60.0, auth=(USER, PASSWORD)):
        media = Media(root, tmp_path / "files", "http://localhost:8080", None, 2**20)
        backend = Backend(media, tmp_path / "s", settings, seconds=seconds, model=shared)
        client = TestClient(make_app(backend, PASSWORD), raise_server_exceptions=False)
        client.auth = auth
        return client

    return make


def ask(client, config, data, result=None, annotations=()):
    task = {"id": 5, "data": data, "annotations": list(annotations)}
    body = {"tasks": [task], "project": "1.2", "label_config": config, "params": {}}
    if result is not None:
        body["params"] = {"context": {"result": result}}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]


def point(x, y, **more):
    value = {"x": 100 * x / SIZE[1], "y": 100 * y / SIZE[0], "width": 0.3}
    value["keypointlabels"] = ["red"]
    return {"id": "p", "type": "keypointlabels", "from_name": "points", "value": value} | more


def region(boxes, count=LENGTH, duration=LENGTH / 25, name="r"):
    """Return a region with boxes by Label Studio's frame."""
    height, width = SIZE
    sequence = [
        {
            "frame": frame, "time": frame / 25, "enabled": True, "rotation": 0,
            "x": 100 * x0 / width, "y": 100 * y0 / height,
            "width": 100 * (x1 - x0) / width, "height": 100 * (y1 - y0) / height,
        }
        for frame, (x0, y0, x1, y1) in boxes.items()
    ]  # fmt: skip
    value = {"framesCount": count, "duration": duration, "sequence": sequence, "labels": ["red"]}
    return {"id": name, "type": "videorectangle", "from_name": "box", "value": value}


def corners(item):
    height, width = SIZE
    x, y = item["x"] * width / 100, item["y"] * height / 100
    return (x, y, x + item["width"] * width / 100, y + item["height"] * height / 100)


def decoded(code):
    """Return what the brush's run-length code says, read word by word."""
    bits, at = "".join(f"{byte:08b}" for byte in code), 0

    def read(count):
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    size, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    pixels = []
    while len(pixels) < size:
        same, count = read(1), read(sizes[read(2)]) + 1
        pixels += [read(word)] * count if same else [read(word) for _ in range(count)]
    assert len(pixels) == size
    return np.array(pixels, np.uint8).reshape(*SIZE, 4)


def iou(mask, box):
    inside = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = box
    inside[y0:y1, x0:x1] = True
    return (mask & inside).sum() / (mask | inside).sum()


def test_only_who_knows_the_password_is_served(serve):
    known = serve()
    assert known.get("/health").json()["status"] == "UP"
    version = known.post("/setup", json={}).json()["model_version"]
    assert version.startswith("persam-video ") and version.endswith(" lite")
    assert known.get("/versions").json() == {"versions": [version]}
    for client in (serve(auth=None), serve(auth=(USER, "x")), serve(auth=("x", PASSWORD))):
        assert client.get("/health").status_code == 401
        assert client.post("/predict", json={}).status_code == 401
        assert client.post("/webhook", json={}).json() == {}
    page = known.get("/health", headers={"Origin": "http://localhost:9090"})
    assert page.status_code == 401
    assert serve(auth=None).get("/", headers={"Authorization": b"Basic \xfc"}).status_code == 401


@pytest.mark.parametrize("tool", ["BrushLabels", "PolygonLabels", "RectangleLabels"])
def test_clicks_become_what_the_project_labels_with(serve, boxes, tool):
    x0, y0, x1, y1 = boxes[0][1]
    clicks = [point((x0 + x1) / 2, (y0 + y1) / 2), point(90, 60, is_positive=False)]
    answer = ask(serve(), PICTURE.format(tool=tool), PHOTO, clicks)
    (found,) = answer["result"]
    assert (found["from_name"], found["to_name"]) == ("masks", "img")
    assert (found["original_width"], found["original_height"]) == SIZE[::-1]
    value = found["value"]
    assert value[found["type"]] == ["red"]
    if tool == "BrushLabels":
        channels = decoded(value["rle"])
        assert (channels == channels[..., :1]).all()
        mask = channels[..., 3] == 255
    elif tool == "PolygonLabels":
        mask = filled(np.array(value["points"]) * (SIZE[1] / 100, SIZE[0] / 100), SIZE)
    else:
        assert corners(value) == pytest.approx(boxes[0][1], abs=2)
        return
    assert iou(mask, boxes[0][1]) > 0.8


def test_a_box_and_clicks_beside(serve, boxes):
    x0, y0, x1, y1 = (100 * side / SIZE[1 - n % 2] for n, side in enumerate(boxes[0][2]))
    value = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rectanglelabels": ["red"]}
    drawn = {"id": "b", "type": "rectanglelabels", "value": value}
    (found,) = ask(serve(), BRUSH, PHOTO, [drawn])["result"]
    assert iou(decoded(found["value"]["rle"])[..., 3] > 0, boxes[0][2]) > 0.8
    beside = [point(90, 60, is_positive=False)]
    assert ask(serve(), BRUSH, PHOTO, beside)["result"] == []
    # nobody has drawn anything: there is nothing to predict
    assert ask(serve(), BRUSH, PHOTO) == []


def test_a_box_is_followed_and_corrections_count(serve, boxes):
    first = region({1: boxes[0][1]})
    (found,) = ask(serve(), VIDEO, CLIP, [first])["result"]
    assert {k: v for k, v in found.items() if k != "value"} == {
        k: v for k, v in first.items() if k != "value"
    }
    assert found["value"]["labels"] == ["red"]
    sequence = found["value"]["sequence"]
    assert [item["frame"] for item in sequence] == list(range(1, LENGTH + 1))
    assert all(item["enabled"] for item in sequence)
    for item, truth in zip(sequence, boxes, strict=True):
        assert corners(item) == pytest.approx(truth[1], abs=2)
    # what was found comes back with the next request, and is no mark
    (again,) = ask(serve(), VIDEO, CLIP, [found])["result"]
    assert again["value"] == found["value"]
    # somebody moves one box onto the other square
    moved = region({6: boxes[5][2]})["value"]["sequence"]
    found["value"]["sequence"][5:6] = moved
    (other,) = ask(serve(), VIDEO, CLIP, [found])["result"]
    for item, truth in zip(other["value"]["sequence"], boxes, strict=True):
        wanted = truth[1] if item["frame"] < 6 else truth[2]
        assert corners(item) == pytest.approx(wanted, abs=2), item["frame"]
    # and takes it away
    del other["value"]["sequence"][5]
    (back,) = ask(serve(), VIDEO, CLIP, [other])["result"]
    assert corners(back["value"]["sequence"][5]) == pytest.approx(boxes[5][1], abs=2)


def test_tracking_goes_on_where_the_time_was_up(serve, boxes):
    sent, lengths = region({3: boxes[2][1]}), []
    for _ in range(3):
        (sent,) = ask(serve(seconds=0), VIDEO, CLIP, [sent])["result"]
        sequence = sent["value"]["sequence"]
        assert sequence[0]["frame"] == 3
        # no box is claimed for what was not tracked
        assert [item["enabled"] for item in sequence] == [True] * (len(sequence) - 1) + [False]
        lengths.append(len(sequence))
    assert lengths == [1, 2, 3]
    (sent,) = ask(serve(), VIDEO, CLIP, [sent])["result"]
    assert len(sent["value"]["sequence"]) == LENGTH - 2


def test_annotated_tasks_are_tracked_without_anybody_waiting(serve, boxes):
    regions = [region({1: boxes[0][1]}), region({4: boxes[3][2]}, name="other")]
    skipped = {"was_cancelled": True, "result": [region({1: (1, 1, 9, 9)})]}
    answer = ask(serve(), VIDEO, CLIP, annotations=[{"result": regions}, skipped])
    assert [found["id"] for found in answer["result"]] == ["r", "other"]
    assert [len(found["value"]["sequence"]) for found in answer["result"]] == [LENGTH, LENGTH - 3]
    assert ask(serve(), VIDEO, CLIP) == []


def test_frames_of_another_rate_are_matched_by_time(serve, boxes):
    # at 100 frames per second, each frame of the video is shown four times
    sent = region({1: boxes[0][1]}, count=4 * LENGTH)
    (found,) = ask(serve(), VIDEO, CLIP, [sent])["result"]
    assert len(found["value"]["sequence"]) == 4 * LENGTH
    for item in found["value"]["sequence"]:
        truth = boxes[(item["frame"] - 1) // 4][1]
        assert corners(item) == pytest.approx(truth, abs=2), item["frame"]


ODD = region({1: (0, 0, 9, 9)})
ODD["value"]["sequence"][0]["x"] = "left"


@pytest.mark.parametrize(
    ("config", "data", "result", "told"),
    [
        ("<View", {}, [point(1, 1)], "is not valid XML"),
        ("<View><Text name='t' value='$t'/></View>", {}, [point(1, 1)], "nothing to help with"),
        (BRUSH, {}, [point(1, 1)], "has no address"),
        (BRUSH, {"image": "http://other/a.png"}, [point(1, 1)], "another server"),
        (BRUSH, {"image": "/data/local-files/?d=clip.mp4"}, [point(1, 1)], "clip.mp4"),
        (BRUSH, PHOTO, [{"type": "keypointlabels", "value": {}}], "cannot be read"),
        (VIDEO, {"video": "/data/local-files/?d=gone.mp4"}, [ODD], "no such file"),
        (VIDEO, {"video": "/data/local-files/?d=photo.png"}, [ODD], "boxes of the region"),
        (VIDEO, CLIP, [region({}, duration=0)], "does not tell its frames"),
        (VIDEO, CLIP, [region({}, duration=-1)], "does not tell its frames"),
        (VIDEO, CLIP, [ODD], "boxes of the region"),
        (VIDEO, CLIP, [{"type": "videorectangle"}], "value"),
    ],
)
def test_what_is_wrong_is_one_line(serve, config, data, result, told):
    task = {"id": 5, "data": data}
    body = {"tasks": [task], "label_config": config, "params": {"context": {"result": result}}}
    answer = serve().post("/predict", json=body)
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b'{"tasks": 5, "label_config": "<V/>"}'])
def test_nonsense_is_refused(serve, body):
    assert serve().post("/predict", content=body).status_code == 400
