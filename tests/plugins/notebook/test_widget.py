"""The widget: its Python side alone, and both sides in a browser."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget", reason="no anywidget (the extra 'notebook')")

from persam_video.config import load_settings
from persam_video.plugins import notebook
from persam_video.plugins.notebook import VideoWidget
from persam_video.sam.build import load_model
from tests.studio.conftest import LENGTH, SIZE, draw
from tests.studio.page.browser import ARGUMENTS, PATIENCE, chromium

STATE = ("frame", "frame_count", "size", "objects", "object_id", "tracking", "message")


@pytest.fixture(scope="module")
def settings():
    return load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})


@pytest.fixture(scope="module")
def model(settings):
    return load_model(settings)


@pytest.fixture
def squares(tmp_path):
    return draw(tmp_path / "frames")


@pytest.fixture
def widget(squares, settings, model):
    made = VideoWidget(squares.frames, settings=settings, model=model)
    yield made
    made.close()
    made.close()


def do(widget, **content):
    """Send what the browser sends."""
    widget._handle_custom_msg(content, [])


def covers(labels, object_id, box):
    inside = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = box
    inside[y0:y1, x0:x1] = True
    mask = labels == object_id
    return (mask & inside).sum() / (mask | inside).sum() > 0.8


def test_marks_are_drawn_tracked_and_taken_back(widget, squares):
    assert (widget.frame_count, widget.size) == (LENGTH, SIZE)
    untouched = widget.picture
    assert Image.open(io.BytesIO(untouched)).size == SIZE[::-1]
    x, y = squares.centre(0, 1)
    do(widget, do="mark", kind="click", x=x, y=y, positive=True)
    assert covers(widget.labels(), 1, squares.boxes[0][1])
    assert widget.picture != untouched
    do(widget, do="add")
    assert [known["id"] for known in widget.objects] == [1, 2]
    assert widget.object_id == 2
    do(widget, do="mark", kind="box", box=squares.boxes[0][2])
    assert covers(widget.labels(), 2, squares.boxes[0][2])
    do(widget, do="track")
    widget._thread.join(300)
    assert (widget.tracking, widget.frame, widget.message) == (False, LENGTH - 1, "")
    for index, boxes in enumerate(squares.boxes):
        assert all(covers(widget.labels(index), i, box) for i, box in boxes.items())
    widget.frame = 0
    do(widget, do="undo")
    assert not (widget.labels() == 2).any()


def test_what_is_wrong_becomes_the_message(widget):
    do(widget, do="track")
    widget._thread.join(60)
    assert "click an object first" in widget.message
    assert not widget.tracking
    do(widget, do="mark", kind="click", x=-5, y=3)
    assert "outside the frame" in widget.message
    widget.frame = 10_000
    assert "has no frame 10000" in widget.message
    widget.frame = 1
    do(widget, do="nonsense")
    do(widget)
    assert widget.message == ""


def test_a_folder_keeps_what_was_marked(squares, tmp_path, settings, model):
    widget = VideoWidget(squares.frames, tmp_path / "kept", settings=settings, model=model)
    do(widget, do="mark", kind="box", box=squares.boxes[0][1])
    marked = widget.labels()
    widget.close()
    again = VideoWidget(squares.frames, tmp_path / "kept", settings=settings, model=model)
    assert (again.labels() == marked).all()
    assert len(again.objects) == 1
    again.close()


HOST = """
<style>{css}</style><div id="here"></div>
<script type="module">
const source = {source};
const url = URL.createObjectURL(new Blob([source], {{type: "text/javascript"}}));
const widget = (await import(url)).default;
const listeners = {{}};
let state = {{}};
function take(next) {{
  const bytes = Uint8Array.from(atob(next.picture), (c) => c.charCodeAt(0));
  next.picture = new DataView(bytes.buffer);
  state = next;
  for (const heard of Object.values(listeners)) heard();
}}
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{ state[name] = value; }},
  save_changes: async () => take(await python("set", [state.frame, state.object_id])),
  send: async (content) => {{
    take(await python("send", content));
    window.sent = (window.sent ?? 0) + 1;
  }},
  on: (name, heard) => {{ listeners[name] = heard; }},
  off: (name) => {{ delete listeners[name]; }},
}};
take(await python("get", null));
window.end = widget.render({{ model, el: document.getElementById("here") }});
window.refresh = async () => take(await python("get", null));
window.listening = () => Object.keys(listeners).length;
</script>
"""


@pytest.fixture
def page(widget):
    """Give a page with the widget, whose model is the one in this process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    path = chromium()

    def python(what, content):
        if what == "send":
            do(widget, **content)
        elif what == "set":
            widget.frame, widget.object_id = content
        state = {name: getattr(widget, name) for name in STATE}
        return state | {"picture": base64.b64encode(widget.picture).decode()}

    folder = Path(notebook.__file__).parent
    source = json.dumps((folder / "widget.js").read_text("utf-8"))
    css = (folder / "widget.css").read_text("utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        shown = browser.new_page(viewport={"width": 800, "height": 600})
        shown.set_default_timeout(PATIENCE)
        problems = []
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.expose_function("python", python)
        shown.set_content(HOST.format(css=css, source=source))
        shown.wait_for_function("document.querySelector('img')?.naturalWidth > 0")
        yield shown
        browser.close()
    assert problems == []


def test_what_is_done_in_the_browser_reaches_python(page, widget, squares):
    image = page.locator("img")
    place = image.bounding_box()
    scale = place["width"] / SIZE[1]

    def at(x, y):
        return {"x": x * scale, "y": y * scale}

    def wait(condition):
        page.wait_for_function(condition)

    image.click(position=at(*squares.centre(0, 1)))
    wait("window.sent === 1")
    assert covers(widget.labels(), 1, squares.boxes[0][1])
    image.click(position=at(90, 60), button="right")
    wait("window.sent === 2")
    assert [gesture.mark.positive for gesture in widget.session.gestures(0)] == [True, False]
    page.get_by_role("button", name="New object").click()
    wait("document.querySelector('select').value === '2'")
    x0, y0, x1, y1 = (side * scale for side in squares.boxes[0][2])
    page.mouse.move(place["x"] + x0, place["y"] + y0)
    page.mouse.down()
    page.mouse.move(place["x"] + x1, place["y"] + y1, steps=4)
    assert page.locator(".persam-box").is_visible()
    page.mouse.up()
    wait("window.sent === 4")
    assert not page.locator(".persam-box").is_visible()
    assert widget.session.gestures(0)[-1].object_id == 2
    assert covers(widget.labels(), 2, squares.boxes[0][2])
    page.get_by_role("button", name="Track").click()
    wait("window.sent === 5")
    widget._thread.join(300)
    page.evaluate("refresh()")
    wait("document.querySelector('output').value === '11 / 11'")
    page.get_by_role("slider").fill("5")
    wait("document.querySelector('output').value === '5 / 11'")
    shown = Image.open(io.BytesIO(image.screenshot())).convert("RGB")
    assert shown.size == pytest.approx(SIZE[::-1], abs=1)
    page.locator("select").select_option("1")
    page.get_by_role("slider").fill("0")
    wait("document.querySelector('output').value === '0 / 11'")
    page.get_by_role("button", name="Undo").click()
    wait("window.sent === 6")
    assert widget.object_id == 1
    assert not (widget.labels(0) == 2).any()
    page.evaluate("end()")
    assert page.evaluate("listening()") == 0
