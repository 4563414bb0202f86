"""Outputs read by the programs they are meant for, where those are installed.

Some of them do not go into one environment with this package: ``PERSAM_VIDEO_OTHER_PYTHON`` names
the interpreter of another one that has pandas, labelme and datumaro.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from fractions import Fraction
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from persam_video.masks import read_annotation
from persam_video.results import FrameResult
from persam_video.sinks.outputs import Output, SinkOptions, open_sink, place_of
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind

LENGTH = 12
INFO = SourceInfo("clip.mp4", SourceKind.FILE, 96, 64, Fraction(25), frame_count=LENGTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every output of a clip in which object 1 moves right and object 2 is lost at the end."""
    folder = tmp_path_factory.mktemp("run")
    kinds = [Output.OVERLAY, Output.CUTOUT_WEBM, Output.MOT, Output.TABLE]
    kinds += [Output.LABELME, Output.CVAT]
    for output in kinds:
        with open_sink(output, place_of(output, folder), INFO, SinkOptions()) as sink:
            for index in range(LENGTH):
                labels = np.zeros((64, 96), np.uint8)
                labels[8:28, 4 + index : 24 + index] = 1
                labels[40:60, 50:80] = 2 * (index < 10)
                rgb = np.full((64, 96, 3), 60 + 10 * index, np.uint8)
                rgb[labels > 0] = (200, 30, 30)
                result = FrameResult.from_labels(
                    index, index / 25, labels, [1, 2], scores={1: 0.75, 2: 0.75}
                ).named({1: "red fox"})
                sink.write(Frame(index, rgb, index / 25), result)
    return folder


@pytest.fixture
def read_with(folder):
    """Run code in the other environment, and give the JSON that it prints last."""
    python = os.environ.get("PERSAM_VIDEO_OTHER_PYTHON", sys.executable)

    def call(module, code):
        importable = [python, "-c", f"import {module}"]
        if subprocess.run(importable, capture_output=True, check=False).returncode:
            pytest.skip(f"{module} is not installed (PERSAM_VIDEO_OTHER_PYTHON={python})")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        ran = subprocess.run(
            [python, "-c", f"import json\n{code}"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    return call


def test_pandas_reads_the_table(read_with):
    found = read_with(
        "pandas",
        """
import pandas
table = pandas.read_csv("table.csv")
lost = table[table.state == "lost"]
print(json.dumps({
    "rows": len(table), "lost": lost[["frame", "object", "area"]].values.tolist(),
    "blank": bool(lost[["x0", "y0", "x1", "y1", "centre_x"]].isna().all(axis=None)),
    "x0": table[table.object == 1].x0.astype(int).tolist(), "score": table.score.unique().tolist(),
}))
""",
    )
    assert found == {
        "rows": 2 * LENGTH,
        "lost": [[10, 2, 0], [11, 2, 0]],
        "blank": True,
        "x0": [4 + index for index in range(LENGTH)],
        "score": [0.75],
    }


def test_pandas_reads_the_mot_file(read_with):
    found = read_with(
        "pandas",
        """
import pandas
names = ["frame", "id", "left", "top", "width", "height", "confidence", "x", "y", "z"]
lines = pandas.read_csv("mot.txt", header=None, names=names)
print(json.dumps([lines[lines.id == i].iloc[-1].tolist() for i in (1, 2)]))
""",
    )
    rest = [0.75, -1, -1, -1]
    assert found == [[LENGTH, 1, 16, 9, 20, 20, *rest], [10, 2, 51, 41, 30, 20, *rest]]


def test_labelme_opens_picture_and_shapes(read_with):
    # before version 6 the class was in a module with another name
    found = read_with(
        "labelme",
        """
try:
    from labelme._label_file import LabelFile
except ImportError:
    from labelme.label_file import LabelFile
import io, PIL.Image
file = LabelFile("labelme/00003.json")
print(json.dumps({
    "size": PIL.Image.open(io.BytesIO(file.imageData)).size,
    "shapes": [[s["label"], s["group_id"], s["shape_type"]] for s in file.shapes],
    "low": min(x for x, _ in file.shapes[0]["points"]),
}))
""",
    )
    assert found["size"] == [96, 64]
    assert found["shapes"] == [["red fox", 1, "polygon"], ["object", 2, "polygon"]]
    assert found["low"] == pytest.approx(7, abs=1)


def test_datumaro_imports_the_cvat_file(read_with):
    found = read_with(
        "datumaro",
        """
import datumaro
dataset = datumaro.Dataset.import_from(".", "cvat")
labels = dataset.categories()[datumaro.AnnotationType.label]
items = {item.id: item for item in dataset}
print(json.dumps([
    [a.attributes["track_id"], a.attributes["outside"], labels[a.label].name, a.get_area()]
    for index in (0, 10) for a in items[f"frame_{index:06d}"].annotations
]))
""",
    )
    fox, other = "red fox", "object"
    assert [row[:3] for row in found] == [
        [1, False, fox], [2, False, other], [1, False, fox], [2, True, other],
    ]  # fmt: skip
    assert [row[3] for row in found[:3]] == pytest.approx([400, 600, 400], rel=0.1)


def test_what_datumaro_makes_of_the_cvat_file_is_an_annotation_again(read_with, folder):
    read_with(
        "datumaro",
        """
import datumaro
datumaro.Dataset.import_from(".", "cvat").export("again", "coco_instances")
print(0)
""",
    )
    found = read_annotation(f"{folder / 'again'}#frame_000003", size=(64, 96))
    assert found.names == {1: "red fox"}
    assert found.mask(1)[8:28, 7:27].mean() > 0.9 and found.mask(1).sum() < 440
    assert found.mask(2)[40:60, 50:80].mean() > 0.9


PAGE = """<!doctype html><video muted autoplay src="/{video}"></video><script>
const video = document.querySelector("video");
const tell = () => fetch("/told?" + new URLSearchParams({{
  ended: video.ended, width: video.videoWidth, height: video.videoHeight,
  time: video.currentTime, error: video.error ? video.error.message : ""}}));
video.onended = video.onerror = tell;
</script>"""


@pytest.mark.parametrize("video", ["overlay.mp4", "cutout.webm"])
def test_a_browser_plays_the_videos_to_their_end(folder, tmp_path, video):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is installed")
    told, came = [], threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def do_GET(self):
            place = urlsplit(self.path)
            if place.path == "/told":
                told.append({key: values[0] for key, values in parse_qs(place.query).items()})
                came.set()
            if place.path not in ("/", "/told"):
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.format(video=video).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        process = subprocess.Popen(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-port=0",
                "--autoplay-policy=no-user-gesture-required",
                f"--user-data-dir={tmp_path / 'profile'}",
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            came.wait(60)
        finally:
            process.terminate()
            process.wait()
            server.shutdown()
    assert told, "the browser neither played the video nor told why"
    assert (told[0]["ended"], told[0]["width"], told[0]["height"]) == ("true", "96", "64"), told
    assert float(told[0]["time"]) == pytest.approx(LENGTH / 25, abs=0.05)
