"""Everything that the studio is for, with a real clip, two tabs and a power cut.

The tests take a few of the clip's frames. All of them, and a clip of a thousand frames, take some
minutes:

    python -m tests.studio.page.whole_clip   # writes eval/results/studio_run.json
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np

from eval import common
from persam_video.config import Settings
from persam_video.masks.png import read_label_png
from persam_video.video import FrameStream, VideoWriter
from tests.studio.conftest import draw
from tests.studio.page.browser import (
    ARGUMENTS,
    SMALL,
    Page,
    StudioSession,
    chromium,
    running_studio,
)
from tests.studio.page.points import deepest_point

CORRECTED = 40
MEASURED = (150, 500, 999)  # frames of the long clip at which memory is measured


@dataclass(frozen=True)
class Girls:
    """A clip that was marked, tracked, corrected and exported on the page.

    Attributes:
        frames: of the clip.
        corrected: the frame in which the first girl was corrected.
        same: frames whose masks are those of the library for the same clicks, pixel by pixel.
        annotations: in the exported COCO file.
        tracked: frames per second while tracking, by the clock.
    """

    frames: int
    corrected: int
    same: int
    annotations: int
    tracked: float


def clip_of_girls(data: Path) -> tuple[Path, list[Path]] | None:
    """Return the clip and its label maps; ``None`` where the development data lack them."""
    clip, truth = data / "clips" / "schoolgirls.mp4", data / "clips" / "schoolgirls"
    labels = sorted(truth.glob("*.png"))
    return (clip, labels) if clip.is_file() and labels else None


def go_through(
    page: Page, video: Path, truth: Sequence[Path], corrected: int, folder: Path
) -> Girls:
    """Click two girls, track, correct one, track on and export.

    In between the page is reloaded, and the server is killed while it tracks; a second tab looks
    on.

    Args:
        page: a new page.
        video: the clip.
        truth: its label maps, which say where to click.
        corrected: the frame to correct.
        folder: for the session and what is exported.
    """
    first = read_label_png(truth[0])
    ids = np.unique(first[first > 0])[:2]
    points = [deepest_point(first == object_id) for object_id in ids]
    with FrameStream(video) as stream:
        count = stream.info.frame_count
    with running_studio(video, "--out", folder / "session") as studio:
        session = StudioSession.only(studio)
        sent = page.gestures()
        mark_two(page, session.address, points)
        other = Page(page.page.context.new_page())
        other.open(session.address)
        other.wait_for_masks(1, 2)
        begun = time.perf_counter()
        page.press("t")
        page.wait_for_job()
        tracked = count / (time.perf_counter() - begun)
        page.screenshot("schoolgirls-tracked")
        page.page.reload()
        page.wait_for_frame()
        page.go_to(corrected)
        page.wait_for_masks(*shown(session, corrected))
        page.press("1")
        page.click(*deepest_point(read_label_png(truth[corrected]) == ids[0]))
        page.wait_for_mark()
        page.wait_until_answered()
        kept = session.masks(corrected)[1]
        page.press("t")
        page.page.wait_for_selector(f"#stage:not([data-frame='{corrected}'])")  # it follows

        studio.kill()
        for tab in (page, other):
            tab.page.wait_for_selector("#offline:not([hidden])")
        studio.arguments = [str(folder / "session")]
        studio.start()
        for tab in (page, other):
            tab.page.wait_for_selector("#offline[hidden]", state="attached")
        # the other object has been tracked anew there, beside the corrected one
        np.testing.assert_array_equal(session.masks(corrected)[1], kept)
        page.press("t")  # from where it was ended
        page.wait_for_job()
        other.go_to(count - 1)
        other.wait_for_masks(*shown(session, count - 1))
        page.screenshot("schoolgirls-corrected")

        expected = library_masks(video, folder / "library", sent, range(count))
        check_masks(session, expected)
        areas = export_both(page, expected, folder)
        assert page.problems == other.problems == []
        return Girls(count, corrected, len(expected), len(areas), round(tracked, 2))


def export_both(page: Page, expected: dict[int, np.ndarray], folder: Path) -> list[int]:
    """Export the video and COCO, compare them with label maps, and return the areas in COCO."""
    page.press("Control+e")
    page.page.wait_for_selector("#export-dialog[open] input[name=output]")
    with av.open(str(export(page, "overlay", folder))) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(expected)
    coco = json.loads(export(page, "coco", folder).read_text("utf-8"))
    areas = sorted(int(known["area"]) for known in coco["annotations"])
    found = [int((labels == n).sum()) for labels in expected.values() for n in (1, 2)]
    assert areas == sorted(filter(None, found))
    return areas


def mark_two(page: Page, address: str, points: Sequence[tuple[float, float]]) -> None:
    """Open the page and click two objects."""
    page.open(address)
    page.click(*points[0])
    page.wait_for_masks(1)
    page.press("a")
    page.click(*points[1])
    page.wait_for_masks(1, 2)


def library_masks(
    video: Path,
    folder: Path,
    gestures: Sequence[dict],
    frames: Sequence[int],
    settings: Settings | None = None,
) -> dict[int, np.ndarray]:
    """Return the label maps that the library gives for gestures, each frame's then tracked on."""
    from persam_video.studio.gestures import mark_of
    from persam_video.studio.session import InteractiveSession

    with InteractiveSession(video, folder, settings=settings) as session:
        for object_id in sorted({gesture["object"] for gesture in gestures}):
            assert session.add_object().id == object_id
        for frame, made in groupby(gestures, key=lambda gesture: gesture["frame"]):
            for gesture in made:
                session.mark(frame, gesture["object"], mark_of(gesture, session.size))
            for _ in session.propagate(frame):
                pass
        return {frame: session.result(frame).labels for frame in frames}


def check_masks(session: StudioSession, expected: dict[int, np.ndarray]) -> None:
    """Check that the server's masks are those of label maps, pixel by pixel."""
    for frame, labels in expected.items():
        for object_id, mask in session.masks(frame).items():
            np.testing.assert_array_equal(mask, labels == object_id, f"{frame}")


def export(page: Page, output: str, folder: Path) -> Path:
    """Export through the dialog, which is open, and download what is written."""
    known = page.page.locator(".downloads a").count()
    page.page.locator(f"input[name=output][value={output}]").check()
    page.page.locator("#export-dialog .export-run .primary").click()
    page.page.wait_for_function(
        "known => document.querySelectorAll('.downloads a').length > known"
        " && document.querySelector('#export-dialog .job-line').textContent.startsWith('Wrote')",
        arg=known,
    )
    name = page.page.locator("#export-dialog .job-line").inner_text().removeprefix("Wrote ")
    with page.page.expect_download() as download:
        page.page.locator(".downloads a", has_text=name).click()
    path = folder / name
    download.value.save_as(path)
    return path


def first_frames(video: Path, path: Path, count: int) -> Path:
    """Write the first frames of a video."""
    with FrameStream(video) as frames:
        info = frames.info
        with VideoWriter(
            path, size=(info.width, info.height), fps=info.fps or Fraction(25)
        ) as writer:
            for frame in itertools.islice(frames, count):
                writer.write(frame.rgb, frame.time)
    return path


def shown(session: StudioSession, frame: int) -> list[int]:
    """Return the objects that have a mask in a frame."""
    return [object_id for object_id, mask in session.masks(frame).items() if mask.any()]


@dataclass(frozen=True)
class Thousand:
    """A clip of a thousand small frames that was tracked on the page, which followed.

    Attributes:
        frames: at which memory was measured.
        server: resident memory of the server's process then, in MiB.
        page: memory of the page's scripts then, in MiB.
    """

    frames: tuple[int, ...]
    server: tuple[float, ...]
    page: tuple[float, ...]


def track_a_thousand(page: Page, folder: Path) -> Thousand:
    """Mark an object in the first of a thousand frames and watch it tracked to the last."""
    frames = draw(folder / "frames", length=MEASURED[-1] + 1).frames
    probe = page.page.context.new_cdp_session(page.page)
    probe.send("Performance.enable")
    server, heap = [], []
    with running_studio(frames, "--out", folder / "session", *SMALL) as studio:
        page.open(studio.address)
        page.press("d")
        page.click(19, 19)
        page.wait_for_masks(1)
        page.press("t")
        for frame in MEASURED:
            page.page.wait_for_function(
                "least => Number(document.getElementById('stage').dataset.frame) >= least",
                arg=frame,
                timeout=3_600_000,
            )
            assert studio.process is not None
            server.append(resident_mib(studio.process.pid))
            probe.send("HeapProfiler.collectGarbage")
            metrics = probe.send("Performance.getMetrics")["metrics"]
            heap += [m["value"] / 2**20 for m in metrics if m["name"] == "JSHeapUsedSize"]
        assert page.problems == []
    return Thousand(MEASURED, tuple(round(n, 1) for n in server), tuple(round(n, 1) for n in heap))


def resident_mib(process: int) -> float:
    """Return the resident memory of a process in MiB. Reads /proc, so it works on Linux."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no resident memory in /proc")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=common.RESULTS / "studio_run.json")
    args = parser.parse_args(arguments)
    found = clip_of_girls(common.SHARED)
    if found is None:
        parser.error("the development data have no clip of the schoolgirls")
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        driver = stack.enter_context(sync_playwright())
        browser = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        size = {"width": 1280, "height": 800}
        (folder / "girls").mkdir()
        page = Page(browser.new_context(viewport=size).new_page())
        girls = go_through(page, *found, CORRECTED, folder / "girls")
        print(girls)
        page = Page(browser.new_context(viewport=size).new_page())
        thousand = track_a_thousand(page, folder / "thousand")
        print(thousand)
        browser.close()
    facts = {"machine": common.machine(), "girls": asdict(girls), "thousand": asdict(thousand)}
    common.write_facts(args.out, facts)


if __name__ == "__main__":
    main()
