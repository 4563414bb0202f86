"""The studio's page in a real browser, with a real server and the embedded model."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from persam_video.masks.png import read_label_png
from persam_video.synthetic import SyntheticClip, demo
from tests.studio.browser import ARGUMENTS, Page, RunningStudio, chromium, running_studio

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (pip install it)")
pytest.importorskip("starlette", reason="no starlette (the extra 'studio')")

LENGTH = 10
KOI, BALL = 1, 2


@pytest.fixture(scope="module")
def browser() -> Iterator:
    path = chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory):
    """Give the files of a short clip, whose truth says where its objects are."""
    whole = demo()
    short = SyntheticClip(whole.objects, length=LENGTH, seed=0)
    return short.write(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def centres(clip) -> dict[int, tuple[float, float]]:
    """Give a point well inside each object of the first frame, x and y in pixels."""
    labels = read_label_png(clip.first_mask)
    return {object_id: deepest_point(labels == object_id) for object_id in (KOI, BALL)}


def deepest_point(mask: np.ndarray) -> tuple[float, float]:
    """Return the point of a mask that is farthest from its outline, x and y in pixels."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5


@pytest.fixture
def studio(clip, tmp_path: Path) -> Iterator[RunningStudio]:
    with running_studio(clip.video, "--out", tmp_path / "session") as running:
        yield running


@pytest.fixture(scope="module")
def marked_studio(clip, centres, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Give a studio in which the koi is marked, for tests that only look."""
    with running_studio(clip.video, "--out", tmp_path_factory.mktemp("marked")) as running:
        base = f"/api/sessions/{session_id(running)}"
        running.get(f"{base}/objects", {"name": "koi"})
        x, y = centres[KOI]
        click = {"kind": "click", "x": x, "y": y, "positive": True}
        running.get(f"{base}/gestures", {"frame": 0, "object": 1, **click})
        yield running


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    shown = Page(context.new_page())
    yield shown
    context.close()
    assert shown.problems == []


def session_id(studio: RunningStudio) -> str:
    return json.loads(studio.get("/api/studio"))["sessions"][0]["id"]


def state(studio: RunningStudio) -> dict:
    return json.loads(studio.get(f"/api/sessions/{session_id(studio)}"))


def masks(studio: RunningStudio, frame: int) -> dict[int, np.ndarray]:
    """Return the masks of a frame as the server tells them, by object."""
    found = json.loads(studio.get(f"/api/sessions/{session_id(studio)}/frames/{frame}/masks"))
    decoded = {}
    for mask in found["objects"]:
        height, width = mask["rle"]["size"]
        counts = mask["rle"]["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
        decoded[mask["id"]] = flat.reshape(width, height).T
    return decoded


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def mark_two(page: Page, studio: RunningStudio, points: Sequence[tuple[float, float]]) -> None:
    """Open the page and click two objects."""
    page.open(studio.address)
    page.click(*points[0])
    page.wait_for_masks(1)
    page.press("a")
    page.click(*points[1])
    page.wait_for_masks(1, 2)


def paint(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a stroke with the brush for the first object."""
    page.press("1", "d")
    page.page.mouse.move(*page.place(*start))
    page.page.mouse.down()
    page.page.mouse.move(*page.place(*end), steps=5)
    page.page.mouse.up()
    page.page.wait_for_function(
        "() => document.querySelector('.lane-track').getAttribute('aria-valuetext')"
        ".includes('annotated')"
    )
    page.press("c")


def record_gestures(page: Page) -> list[dict]:
    """Return a list that fills with the gestures that the page sends."""
    sent: list[dict] = []
    page.page.route(
        "**/gestures",
        lambda route: (sent.append(route.request.post_data_json), route.continue_()),
    )
    return sent


def library_masks(
    video: Path, folder: Path, gestures: Sequence[dict], frames: Sequence[int]
) -> dict[int, np.ndarray]:
    """Return the label maps that the library gives for gestures, each frame's then tracked on."""
    from persam_video.studio.gestures import mark_of
    from persam_video.studio.session import InteractiveSession

    with InteractiveSession(video, folder) as session:
        for object_id in sorted({gesture["object"] for gesture in gestures}):
            assert session.add_object().id == object_id
        for frame, made in groupby(gestures, key=lambda gesture: gesture["frame"]):
            for gesture in made:
                session.mark(frame, gesture["object"], mark_of(gesture, session.size))
            for _ in session.propagate(frame):
                pass
        return {frame: session.result(frame).labels for frame in frames}


def test_points_tracks_and_corrects_as_the_library_does(
    page: Page, studio: RunningStudio, clip, centres, tmp_path: Path
) -> None:
    sent = record_gestures(page)
    mark_two(page, studio, [centres[KOI], centres[BALL]])
    truth = read_label_png(clip.first_mask)
    marked = masks(studio, 0)
    # a click may take a part of the koi, or some of the ground; what counts here is where it went
    assert (marked[1] & (truth == KOI)).sum() > 0.5 * marked[1].sum() > 0
    assert overlap(marked[2], truth == BALL) > 0.7
    page.press("t")
    page.wait_for_job()
    assert state(studio)["tracked"][-1][1] == LENGTH - 1
    page.go_to(LENGTH - 1)
    page.wait_for_masks(1, 2)
    last = read_label_png(sorted(clip.truth.glob("*.png"))[-1])
    assert overlap(masks(studio, LENGTH - 1)[2], last == BALL) > 0.7

    # a correction in a later frame is an annotation from then on
    page.go_to(6)
    page.wait_for_masks(1, 2)
    before = masks(studio, 6)[1]
    paint(page, (600, 330), (630, 350))
    painted = masks(studio, 6)[1] & ~before
    assert painted[310:360, 580:640].sum() > 0.9 * painted.sum() > 0
    page.press("t")
    page.wait_for_job()
    assert state(studio)["annotated"] == [0, 6]

    frames = range(LENGTH)
    expected = library_masks(clip.video, tmp_path / "library", sent, frames)
    for frame in frames:
        for object_id, mask in masks(studio, frame).items():
            np.testing.assert_array_equal(mask, expected[frame] == object_id, f"{frame}")


def test_goes_on_after_a_reload_and_a_killed_server(
    page: Page, studio: RunningStudio, centres, tmp_path: Path
) -> None:
    mark_two(page, studio, [centres[KOI], centres[BALL]])
    page.press("t")
    page.wait_for_job()
    page.go_to(6)
    page.wait_for_masks(1, 2)
    page.page.wait_for_function("() => location.hash.includes('frame=6')")
    page.page.reload()
    page.wait_for_frame(6)
    page.wait_for_masks(1, 2)

    kept = {frame: masks(studio, frame) for frame in range(LENGTH)}
    studio.kill()
    page.page.wait_for_selector("#offline:not([hidden])")
    page.screenshot("offline")
    studio.arguments = [str(tmp_path / "session")]
    studio.start()
    page.page.wait_for_selector("#offline[hidden]", state="attached")
    page.wait_for_masks(1, 2)
    for frame, found in kept.items():
        for object_id, mask in masks(studio, frame).items():
            np.testing.assert_array_equal(mask, found[object_id])
    # and it can still be worked on
    page.press("Home")
    page.wait_for_frame(0)
    page.press("Control+z")
    page.page.wait_for_selector("#redo-button:not(:disabled)")


def test_exports_a_video_and_coco(
    page: Page, studio: RunningStudio, centres, tmp_path: Path
) -> None:
    mark_two(page, studio, [centres[KOI], centres[BALL]])
    page.press("t")
    page.wait_for_job()
    page.press("Control+e")
    page.page.wait_for_selector("#export-dialog[open] input[name=output]")
    video = export(page, "overlay", tmp_path)
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == LENGTH
    page.screenshot("export")
    coco = json.loads(export(page, "coco", tmp_path).read_text("utf-8"))
    assert len(coco["images"]) == LENGTH
    assert len(coco["annotations"]) == 2 * LENGTH
    # the session's folder is what tracking leaves
    labels = read_label_png(tmp_path / "session" / "masks" / f"{LENGTH - 1:05d}.png")
    for object_id, mask in masks(studio, LENGTH - 1).items():
        np.testing.assert_array_equal(labels == object_id, mask)


def export(page: Page, output: str, folder: Path) -> Path:
    """Export through the dialog and download the newest file."""
    known = page.page.locator(".downloads a").count()
    page.page.locator(f"input[name=output][value={output}]").check()
    page.page.locator("#export-dialog .export-run button").click()
    page.page.wait_for_function(
        "known => document.querySelectorAll('.downloads a').length > known", arg=known
    )
    name = page.page.locator("#export-dialog .job-line").inner_text().removeprefix("Wrote ")
    with page.page.expect_download() as download:
        page.page.locator(".downloads a", has_text=name).click()
    path = folder / name
    download.value.save_as(path)
    return path


def test_coordinates_are_exact_at_any_zoom(page: Page, studio: RunningStudio) -> None:
    sent = record_gestures(page)
    page.open(studio.address)
    fitted = float(page.page.locator("#stage").get_attribute("data-scale"))
    exact = page.place(320, 180)
    # the wheel tells whole pixels of the screen, so that the zoom is about those
    middle = round(exact[0]), round(exact[1])
    x, y = (at + (m - e) / fitted for at, m, e in zip((320, 180), middle, exact, strict=True))
    page.page.mouse.move(*middle)
    for _ in range(6):
        page.page.mouse.wheel(0, -200)
    page.page.wait_for_function("() => Number(document.getElementById('stage').dataset.scale) > 5")
    scale = float(page.page.locator("#stage").get_attribute("data-scale"))
    # the point under the pointer stays there, and others lie as far off as the scale says
    page.page.mouse.click(middle[0] + 10 * scale, middle[1] - 5 * scale)
    page.page.keyboard.down("Space")
    page.page.mouse.move(*middle)
    page.page.mouse.down()
    page.page.mouse.move(middle[0] - 20 * scale, middle[1], steps=4)
    page.page.mouse.up()
    page.page.keyboard.up("Space")
    page.page.mouse.click(*middle, button="right")
    page.page.wait_for_function("() => document.querySelector('.latency').textContent !== ''")
    for _ in range(100):
        if len(sent) == 2:
            break
        page.page.wait_for_timeout(100)
    assert [gesture["positive"] for gesture in sent] == [True, False]
    found = [value for gesture in sent for value in (gesture["x"], gesture["y"])]
    assert found == pytest.approx([x + 10, y - 5, x + 20, y], abs=0.1)
    assert page.page.get_by_role("button", name="Play").is_visible()  # space panned, not played
    # taking away what makes the mask empty is refused, in words
    page.problems = [problem for problem in page.problems if "422" not in problem]


def test_undo_redo_and_hiding(page: Page, studio: RunningStudio, centres) -> None:
    page.open(studio.address)
    page.click(*centres[KOI])
    page.wait_for_masks(1)
    page.press("Control+z")
    page.wait_for_masks()
    page.press("Control+Shift+z")
    page.wait_for_masks(1)
    page.press("h")
    page.wait_for_masks()
    page.press("h")
    page.wait_for_masks(1)


def test_plays_and_compares(page: Page, studio: RunningStudio, centres) -> None:
    page.open(studio.address)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    page.press("t")
    page.wait_for_job()
    page.press("Home")
    page.wait_for_frame(0)
    page.press("Space")
    page.wait_for_frame(LENGTH - 1)
    page.wait_for_masks(1)
    with page.page.expect_response(lambda response: "masks?before=1" in response.url):
        page.page.keyboard.down("b")
    assert page.page.locator("#stage-badge").is_visible()
    page.page.keyboard.up("b")
    page.page.wait_for_selector("#stage-badge[hidden]", state="attached")
    page.wait_for_masks(1)


def test_opens_files_below_the_root_and_uploads(page: Page, clip, tmp_path: Path) -> None:
    with running_studio("--root", clip.video.parent, "--out", tmp_path / "sessions") as studio:
        page.page.goto(studio.address)
        page.page.wait_for_selector("#open-dialog[open]")
        page.page.get_by_role("button", name=clip.video.name).click()
        page.wait_for_frame(0)
        first = page.page.evaluate("() => location.hash")
        page.press("Control+o")
        page.page.wait_for_selector("#open-dialog[open]")
        page.page.set_input_files("#upload-input", clip.video)
        page.page.wait_for_selector("#open-dialog:not([open])", state="attached")
        page.wait_for_frame(0)
        assert page.page.evaluate("() => location.hash") != first
        assert len(json.loads(studio.get("/api/studio"))["sessions"]) == 2


def test_two_tabs_show_the_same(page: Page, studio: RunningStudio, centres) -> None:
    page.open(studio.address)
    other = Page(page.page.context.new_page())
    other.open(studio.address)
    page.click(*centres[BALL])
    page.wait_for_masks(1)
    other.wait_for_masks(1)
    page.page.locator(".object-select").dblclick()
    page.page.get_by_label("Name of").fill("ball")
    page.press("Enter")
    other.page.get_by_role("button", name="ball id 1").wait_for()
    assert other.problems == []


def test_names_are_text(page: Page, studio: RunningStudio, centres) -> None:
    markup = "<img src=x onerror=alert(1)>"
    page.open(studio.address)
    page.press("a")
    page.page.locator(".object-select").dblclick()
    page.page.get_by_label("Name of").fill(markup)
    page.press("Enter")
    page.page.locator(".object-name", has_text=markup).wait_for()
    page.page.wait_for_function(
        "name => document.querySelector('.lane-name').textContent === name", arg=markup
    )
    assert page.page.locator("#objects img, .lane-name img").count() == 0


def test_everything_goes_without_a_mouse(
    page: Page, studio: RunningStudio, centres, tmp_path: Path
) -> None:
    page.open(studio.address)
    page.press("j")  # the crosshair begins in the middle
    x, y = centres[BALL]
    scale = float(page.page.locator("#stage").get_attribute("data-scale"))
    step = max(1, round(2 / scale))
    for key, distance in (("ArrowRight", x - 320), ("ArrowDown", y - 180)):
        steps = round(distance / step)
        for _ in range(steps // 10):
            page.press(f"Shift+{key}")
        for _ in range(steps % 10):
            page.press(key)
    page.press("Enter")
    page.wait_for_masks(1)
    truth = read_label_png(sorted((studio_clip(studio)).glob("truth/*.png"))[0])
    assert overlap(masks(studio, 0)[1], truth == BALL) > 0.7
    page.press("Escape", "o", "t")
    page.wait_for_job()
    page.press("End")
    page.wait_for_frame(LENGTH - 1)
    page.wait_for_masks(1)
    page.press("Home", ".", "ArrowRight")
    page.wait_for_frame(2)
    page.press("?")
    page.page.wait_for_selector("#help-dialog[open]")
    page.press("Escape", "Control+e")
    page.page.wait_for_selector("#export-dialog[open] input[name=output]")
    # from the first control on, Tab reaches the button and Enter presses it
    for _ in range(12):
        page.press("Tab")
        if page.page.evaluate("() => document.activeElement.closest('.export-run') !== null"):
            break
    page.press("Enter")
    page.page.locator(".downloads a").first.wait_for()
    assert list((tmp_path / "session").rglob("overlay*"))


def studio_clip(studio: RunningStudio) -> Path:
    """Return the folder of the clip that a studio was started with."""
    return Path(studio.arguments[0]).parent


def test_focus_is_visible_and_in_order(page: Page, marked_studio: RunningStudio) -> None:
    page.open(marked_studio.address)
    order = []
    for _ in range(40):
        page.press("Tab")
        order.append(
            page.page.evaluate(
                "() => { const e = document.activeElement;"
                " const part = e.closest('header, #tools, #stage, aside, #transport, .lane-track');"
                " const line = getComputedStyle(e).outlineStyle;"
                " return [part ? part.id || part.className || part.tagName : 'none', line]; }"
            )
        )
    parts = [part for part, _ in order if part != "none"]
    first = {part: parts.index(part) for part in dict.fromkeys(parts)}
    assert list(first)[:5] == ["bar", "tools", "stage", "side", "transport"]
    assert all(line == "solid" for part, line in order if part != "none")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (768, 1024)])
def test_fits_the_window(
    browser, marked_studio: RunningStudio, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=width < 1400
    )
    page = Page(context.new_page())
    page.open(marked_studio.address)
    page.wait_for_masks(1)
    page.screenshot(f"page-{width}-{scheme}")
    outside = page.page.evaluate(
        "() => [...document.querySelectorAll('button, input, canvas')]"
        ".filter(e => e.checkVisibility() && !e.closest('dialog, .visually-hidden'))"
        ".filter(e => { const b = e.getBoundingClientRect();"
        " return b.left < 0 || b.right > innerWidth + 0.5; })"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.problems == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, marked_studio: RunningStudio, scheme: str) -> None:
    named = os.environ.get("PERSAM_VIDEO_AXE")
    if not named:
        pytest.skip("PERSAM_VIDEO_AXE does not name axe.min.js (npm install axe-core)")
    # only axe itself needs the policy off: it is put into the page as a script
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = Page(context.new_page())
    page.open(marked_studio.address)
    page.wait_for_masks(1)
    source = Path(named).read_text("utf-8")
    for dialog in (None, "help", "export", "open"):
        if dialog is not None:
            page.page.locator(f"#{dialog}-button").click()
            page.page.wait_for_selector(f"#{dialog}-dialog[open]")
            page.page.wait_for_timeout(300)  # what the dialog reads from the server
        page.page.evaluate(source)
        found = page.page.evaluate("() => axe.run(document)")
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == [], dialog
        page.press("Escape")
    context.close()


def test_schoolgirls(page: Page, shared_data: Path, tmp_path: Path) -> None:
    video = shared_data / "clips" / "schoolgirls.mp4"
    truth = sorted((shared_data / "clips" / "schoolgirls").glob("*.png"))
    if not video.is_file() or not truth:
        pytest.skip("the development data have no clip of the schoolgirls")
    first = read_label_png(truth[0])
    points = [deepest_point(first == object_id) for object_id in np.unique(first[first > 0])[:2]]
    with running_studio(video, "--out", tmp_path / "session") as studio:
        sent = record_gestures(page)
        mark_two(page, studio, points)
        page.screenshot("schoolgirls-marked")
        page.press("t")
        page.wait_for_job()
        page.go_to(40)
        page.wait_for_frame(40)
        page.screenshot("schoolgirls-tracked")
        page.press("1")
        page.click(*deepest_point(masks(studio, 40)[1]))
        page.page.wait_for_function("() => document.querySelector('.latency').textContent !== ''")
        page.wait_for_masks(1, 2)
        page.press("t")
        page.wait_for_job()
        page.screenshot("schoolgirls-corrected")
        frames = (0, 39, 40, 41, 79)
        expected = library_masks(video, tmp_path / "library", sent, frames)
        for frame in frames:
            for object_id, mask in masks(studio, frame).items():
                np.testing.assert_array_equal(mask, expected[frame] == object_id, f"{frame}")
