import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persam_video.masks.png import read_label_png
from persam_video.synthetic import SyntheticClip, SyntheticFiles, demo
from tests.studio.page.browser import (
    ARGUMENTS,
    SMALL,
    Page,
    RunningStudio,
    StudioSession,
    chromium,
    running_studio,
)
from tests.studio.page.points import deepest_point

LENGTH = 10
KOI, BALL = 1, 2


@pytest.fixture(scope="module")
def browser() -> Iterator:
    # not longer than a module: as long as it runs, no other test can start an event loop
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install it")
    path = chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    shown = Page(context.new_page())
    yield shown
    context.close()
    assert shown.problems == []


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> SyntheticFiles:
    """Give the files of a short clip, whose truth says where its objects are."""
    short = SyntheticClip(demo().objects, length=LENGTH, seed=0)
    return short.write(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def centres(clip) -> dict[int, tuple[float, float]]:
    """Give a point well inside each object of the first frame, x and y in pixels."""
    labels = read_label_png(clip.first_mask)
    return {object_id: deepest_point(labels == object_id) for object_id in (KOI, BALL)}


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """Give a studio that opens what lies in its root, for all tests that do not end it."""
    pytest.importorskip("starlette", reason="no starlette (the extra 'studio')")
    folder = tmp_path_factory.mktemp("studio")
    (folder / "root").mkdir()
    places = ("--root", folder / "root", "--out", folder / "sessions")
    with running_studio(*places, *SMALL) as running:
        yield running


@pytest.fixture(scope="session")
def open_source(studio: RunningStudio) -> Callable[[Path, str], StudioSession]:
    """Give a function that opens a copy of a source, under a name of its own."""

    def open_it(source: Path, name: str) -> StudioSession:
        root, sessions = Path(studio.arguments[1]), Path(studio.arguments[3])
        copy = root / f"{name}{source.suffix}"
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
        opened = json.loads(studio.get("/api/sessions", {"path": copy.name}))
        return StudioSession(studio, opened["id"], sessions / name, copy)

    return open_it


@pytest.fixture
def session(open_source, clip, tmp_path: Path) -> StudioSession:
    """Give a new session of the short clip."""
    return open_source(clip.video, tmp_path.name)


@pytest.fixture(scope="session")
def marked(open_source, clip, centres) -> StudioSession:
    """Give a session in which the koi is marked, for tests that only look."""
    opened = open_source(clip.video, "marked")
    opened.get("/objects", {"name": "koi"})
    x, y = centres[KOI]
    click = {"kind": "click", "x": x, "y": y, "positive": True}
    opened.get("/gestures", {"frame": 0, "object": 1, **click})
    return opened
