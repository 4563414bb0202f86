"""The frame on the page: the right picture, exact coordinates, playback, bounded memory."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.studio.conftest import draw
from tests.studio.page.browser import PATIENCE, Page, StudioSession

PLAYED = 14  # frames of it
BIG = (3840, 2160)
SHADES = 40  # frames of the clip whose grey level tells the frame
TIMES = np.random.default_rng(8).integers(10, 200, SHADES).cumsum().tolist()  # its own, in ms
PICTURES = 240  # that frames.js keeps
THUMBS = 100  # more than the timeline shows of a whole clip


def write_video(path: Path, pictures: list[np.ndarray], times: list[int]) -> Path:
    """Write pictures, uint8 (H, W, 3), with a time in milliseconds for each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"g": "100", "preset": "ultrafast"}
        )
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a 4K clip with a bright square in its middle."""
    picture = np.full((BIG[1], BIG[0], 3), 60, np.uint8)
    picture[880:1280, 1720:2120] = (230, 40, 30)
    return write_video(tmp_path_factory.mktemp("big") / "4k.mp4", [picture] * 2, [0, 40])


@pytest.fixture(scope="module")
def variable_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a clip of a variable rate in which the grey level tells the frame."""
    pictures = [np.full((64, 96, 3), shade_of(frame), np.uint8) for frame in range(SHADES)]
    return write_video(tmp_path_factory.mktemp("variable") / "vfr.mp4", pictures, TIMES)


def shade_of(frame: int) -> int:
    return 20 + 5 * frame


@pytest.fixture(scope="module")
def thousand(open_source: Callable, tmp_path_factory: pytest.TempPathFactory) -> StudioSession:
    """Give a session of a thousand small frames."""
    folder = draw(tmp_path_factory.mktemp("thousand") / "frames", length=1000).frames
    return open_source(folder, "thousand")


def scale_of(page: Page) -> float:
    return float(page.page.locator("#stage").get_attribute("data-scale"))


def wait_for_gestures(page: Page, sent: list[dict], count: int) -> None:
    for _ in range(PATIENCE // 50):
        if len(sent) >= count:
            break
        page.page.wait_for_timeout(50)
    assert len(sent) == count
    page.wait_until_answered()


@pytest.mark.parametrize("size", [(640, 360), BIG])
def test_coordinates_are_exact_at_any_zoom(
    page: Page, open_source, clip, big_clip: Path, size: tuple[int, int], tmp_path: Path
) -> None:
    session = open_source(big_clip if size == BIG else clip.video, tmp_path.name)
    sent = page.gestures()
    with page.page.expect_request("**/frames/0.jpg*") as request:
        page.open(session.address)
    # a large frame comes no larger than it is shown
    assert ("w=" in request.value.url) == (size == BIG)
    fitted = scale_of(page)
    centre = size[0] / 2, size[1] / 2
    exact = page.place(*centre)
    # the wheel tells whole pixels of the screen, so that the zoom is about those
    middle = round(exact[0]), round(exact[1])
    x, y = (at + (m - e) / fitted for at, m, e in zip(centre, middle, exact, strict=True))
    page.page.mouse.move(*middle)
    for _ in range(6):
        page.page.mouse.wheel(0, -200)
    page.page.wait_for_function(
        "least => Number(document.getElementById('stage').dataset.scale) > least", arg=5 * fitted
    )
    scale = scale_of(page)
    # the point under the pointer stays there, and others lie as far off as the scale says
    page.page.mouse.click(middle[0] + 10 * scale, middle[1] - 5 * scale)
    wait_for_gestures(page, sent, 1)
    assert session.masks(0)[1].shape == size[::-1]
    page.page.keyboard.down("Space")
    page.page.mouse.move(*middle)
    page.page.mouse.down()
    page.page.mouse.move(middle[0] - 20 * scale, middle[1], steps=4)
    page.page.mouse.up()
    page.page.keyboard.up("Space")
    page.page.mouse.click(*middle)
    wait_for_gestures(page, sent, 2)
    found = [value for gesture in sent for value in (gesture["x"], gesture["y"])]
    assert found == pytest.approx([x + 10, y - 5, x + 20, y], abs=0.1)
    assert page.page.get_by_role("button", name="Play").is_visible()  # space panned, not played


def test_two_fingers_zoom_and_one_still_points_exactly(
    browser, open_source, clip, tmp_path: Path
) -> None:
    session = open_source(clip.video, tmp_path.name)
    context = browser.new_context(viewport={"width": 1024, "height": 768}, has_touch=True)
    page = Page(context.new_page())
    sent = page.gestures()
    page.open(session.address)
    fitted = scale_of(page)
    centre = 320.0, 180.0
    left, top = page.place(*centre)
    fingers = context.new_cdp_session(page.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        placed = [{"x": x, "y": y, "id": place} for place, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": placed})

    touch("touchStart", (left - 40, top))
    touch("touchStart", (left - 40, top), (left + 40, top))
    for step in range(1, 11):  # apart to three times the distance, and down by 30 px
        spread, down = 40 + 8 * step, 3 * step
        touch("touchMove", (left - spread, top + down), (left + spread, top + down))
    touch("touchEnd")
    page.page.wait_for_function(
        "least => Number(document.getElementById('stage').dataset.scale) > least", arg=2.9 * fitted
    )
    scale = scale_of(page)
    assert scale == pytest.approx(3 * fitted, rel=0.01)
    assert sent == []  # what the first finger began is dropped
    touch("touchStart", (left + 20 * scale, top + 30 - 10 * scale))
    touch("touchEnd")
    wait_for_gestures(page, sent, 1)
    assert (sent[0]["x"], sent[0]["y"]) == pytest.approx((340, 170), abs=0.5)
    assert page.problems == []
    context.close()


def test_shows_the_exact_frame_at_a_variable_rate(
    page: Page, open_source, variable_clip: Path
) -> None:
    session = open_source(variable_clip, "variable")
    assert session.get()["frame_count"] == SHADES
    page.open(session.address)

    def check(frame: int) -> None:
        page.wait_for_frame(frame)
        page.page.wait_for_function("() => new Promise(requestAnimationFrame).then(() => true)")
        shade = page.page.evaluate(
            "() => { const c = document.getElementById('view');"
            " return c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[0]; }"
        )
        assert round((shade - shade_of(0)) / (shade_of(1) - shade_of(0))) == frame

    for frame in (31, 7, 22, 0):
        page.go_to(frame)
        check(frame)
    page.press("End")
    check(SHADES - 1)
    for frame in range(SHADES - 2, SHADES - 6, -1):
        page.press("ArrowLeft")
        check(frame)


def test_plays_at_a_variable_rate(page: Page, open_source, variable_clip: Path) -> None:
    session = open_source(variable_clip, "played")
    clock = page.page.clock
    clock.install(time=0)
    with page.page.expect_response("**/times"):
        page.open(session.address)
    for frame in range(PLAYED):  # so that their pictures are there
        page.go_to(frame)
    page.go_to(0)
    clock.pause_at(3_600_000)
    page.press("Space")
    page.page.get_by_role("button", name="Pause").wait_for()
    played = 0
    while played < TIMES[PLAYED - 1] - TIMES[0] - 100:
        clock.run_for(100)
        played += 100
        shown = int(page.page.locator("#stage").get_attribute("data-frame"))
        # an animation frame may be as old as the screen's refreshing
        early, late = (
            np.searchsorted(TIMES, TIMES[0] + t, "right") - 1 for t in (played - 35, played)
        )
        assert early <= shown <= late


def test_leaves_out_what_comes_late(page: Page, thousand: StudioSession) -> None:
    page.open(thousand.address)
    # a frame takes eight times as long to come as it is to be shown
    page.page.evaluate(
        "() => { const decode = Image.prototype.decode;"
        " Image.prototype.decode = async function () {"
        "  if (this.src.includes('/frames/')) await new Promise((r) => setTimeout(r, 320));"
        "  return decode.call(this); };"
        " window.seen = []; window.began = performance.now();"
        " new MutationObserver(() => window.seen.push([performance.now(),"
        "  Number(document.getElementById('stage').dataset.frame)]))"
        " .observe(document.getElementById('stage'), {attributeFilter: ['data-frame']}); }"
    )
    page.press("Space")
    page.page.wait_for_function("() => window.seen.length > 20")
    page.press("Space")
    page.page.get_by_role("button", name="Play").wait_for()
    seen = page.page.evaluate("() => window.seen")
    frames = [frame for _, frame in seen]
    assert frames == sorted(frames)
    assert frames[-1] - frames[0] > 2 * len(frames)  # most were left out, as the clock goes on
    began = page.page.evaluate("() => window.began")
    rate = thousand.get()["fps"]
    assert all(frame <= (time - began) / 1000 * rate for time, frame in seen)


def test_plays_every_frame_to_the_end(page: Page, session: StudioSession) -> None:
    page.open(session.address)
    page.press("Space")
    page.wait_for_frame(session.get()["frame_count"] - 1)
    page.page.get_by_role("button", name="Play").wait_for()
    page.press("Space")  # from the beginning
    page.wait_for_frame(session.get()["frame_count"] - 1)


def test_memory_stays_flat_over_a_thousand_frames(page: Page, thousand: StudioSession) -> None:
    page.open(thousand.address)
    probe = page.page.context.new_cdp_session(page.page)
    probe.send("Performance.enable")

    def walk(last: int, *, far: bool = False) -> None:
        """Step on to a frame, by one or by ten, and wait for each picture on the way."""
        page.page.evaluate(
            "async ([last, far]) => {"
            " const stage = document.getElementById('stage');"
            " const key = {key: far ? 'ArrowRight' : '.', shiftKey: far, bubbles: true};"
            " for (let frame = Number(stage.dataset.frame); frame < last;) {"
            "  frame = Math.min(frame + (far ? 10 : 1), 999);"
            "  document.dispatchEvent(new KeyboardEvent('keydown', key));"
            "  while (stage.dataset.frame !== String(frame))"
            "   await new Promise((resolve) => setTimeout(resolve, 1));"
            " } }",
            [last, far],
        )

    def heap() -> float:
        probe.send("HeapProfiler.collectGarbage")
        metrics = probe.send("Performance.getMetrics")["metrics"]
        return next(known["value"] for known in metrics if known["name"] == "JSHeapUsedSize")

    def pictures() -> int:
        prototype = probe.send("Runtime.evaluate", {"expression": "HTMLImageElement.prototype"})
        found = probe.send(
            "Runtime.queryObjects", {"prototypeObjectId": prototype["result"]["objectId"]}
        )
        objects = found["objects"]["objectId"]
        count = "function () { return this.length; }"
        called = probe.send(
            "Runtime.callFunctionOn", {"objectId": objects, "functionDeclaration": count}
        )
        probe.send("Runtime.releaseObject", {"objectId": objects})  # it would keep them alive
        return called["result"]["value"]

    walk(PICTURES + 20)
    early, held = heap(), pictures()
    walk(PICTURES + 150)
    walk(999, far=True)
    assert PICTURES <= held < PICTURES + THUMBS
    assert pictures() < PICTURES + THUMBS
    assert heap() - early < 2 * 2**20
