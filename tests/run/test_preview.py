"""A run that is watched while it goes on, by a real HTTP client."""

import json
import threading
from queue import SimpleQueue
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.results import FrameResult
from persam_video.run import track_to_folder
from persam_video.sinks.outputs import SinkOptions
from persam_video.sinks.preview import PreviewSink
from persam_video.util.live_page import LivePage
from persam_video.video import FrameStream
from tests.mjpeg import decoded, jpegs


@pytest.fixture
def track(squares, settings, loaded):
    def call(out, **options):
        return track_to_folder(
            squares.frames,
            squares.mask(0, 1, 2),
            squares.folder / out,
            settings=settings,
            model=loaded,
            outputs=(),
            **options,
        )

    return call


def test_frames_are_shown_as_the_overlay_will_show_them(track, squares):
    seen, shown = [], SimpleQueue()

    def look(address):
        for jpeg in jpegs(address):
            seen.append(decoded(jpeg))
            shown.put(None)

    style = OverlayStyle(("fill", "side-by-side"), tags=False)
    writing = SinkOptions(style=style, objects=frozenset({2}))
    with LivePage("squares") as page:
        viewer = threading.Thread(target=look, args=(f"{page.address}stream",))
        viewer.start()
        record = track(
            "out", preview=page, writing=writing, on_progress=lambda _: shown.get(timeout=60)
        )
        viewer.join(60)
        with urlopen(f"{page.address}state") as answer:
            state = json.loads(answer.read())
    assert state == {"note": "frame 11, 0.46 s: 1 tracked", "ended": True}
    assert record.warnings == []
    with FrameStream(squares.frames) as frames:
        rgb = [frame.rgb for frame in frames]
    # the viewer was waited for, so nothing was left out
    assert len(seen) == len(rgb)
    for picture, source, truth in zip(seen, rgb, squares.truth, strict=True):
        left, right = np.split(picture.astype(int), 2, axis=1)
        assert np.abs(left - source).mean() < 12
        changed = np.abs(left - right).mean(axis=2)
        inside = cv2.erode((truth == 2).view(np.uint8), np.ones((5, 5))) > 0
        assert changed[inside].mean() > 20
        assert changed[truth == 1].mean() < 12  # which is not to be shown


def test_masks_are_the_same_whether_anybody_looks_or_not(track, squares):
    track("alone")
    with LivePage("squares") as page:
        stream = jpegs(f"{page.address}stream")
        viewer = threading.Thread(target=next, args=(stream,))  # looks once, and takes no more
        viewer.start()
        track("watched", preview=page)
        viewer.join(60)
    alone, watched = (squares.folder / out / "tracks.jsonl" for out in ("alone", "watched"))
    assert alone.read_bytes() == watched.read_bytes()


def test_a_preview_that_fails_is_a_warning_and_no_error(squares):
    film = squares.folder / "film.png"
    film.write_bytes(next(squares.frames.iterdir()).read_bytes())
    style = OverlayStyle((f"background={film}",))
    with LivePage("squares") as page, FrameStream(squares.frames) as frames:
        sink = PreviewSink(page, frames.info, style)
        film.unlink()
        for frame, labels in zip(frames, squares.truth, strict=True):
            sink.write(frame, FrameResult.from_labels(frame.index, frame.time, labels, [1, 2]))
        sink.close()
        assert list(jpegs(f"{page.address}stream")) == []
    (warning,) = sink.warnings
    assert warning.startswith("the preview stopped: ")
    assert "film.png" in warning


def test_ctrl_c_ends_the_stream(track):
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with LivePage("squares") as page:
        ended = threading.Event()

        def look(address):
            assert all(map(len, jpegs(address)))
            ended.set()

        threading.Thread(target=look, args=(f"{page.address}stream",), daemon=True).start()
        record = track("out", preview=page, on_progress=stop)
        assert ended.wait(60)
    assert record.status.value == "interrupted"
