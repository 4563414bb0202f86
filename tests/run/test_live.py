"""Live sources: a server that sends JPEG pictures without an end, as network cameras do."""

import io
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import SourceError
from persam_video.run import FrameRange, track, track_to_folder
from persam_video.sinks import read_run
from persam_video.util.live_page import LivePage
from persam_video.video import FrameStream
from persam_video.video.live import NewestItems
from tests.mjpeg import decoded, jpegs


@dataclass
class Camera:
    """What a server of pictures has sent.

    Attributes:
        sent: how many pictures.
        changed: is notified of each.
    """

    sent: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def send(self, pictures):
        """Wait until so many more pictures are sent."""
        with self.changed:
            until = self.sent + pictures
            self.changed.wait_for(lambda: self.sent >= until)


@pytest.fixture
def sender():
    return Camera()


@pytest.fixture
def camera(squares, sender):
    """Serve the squares as multipart JPEG, at most 200 pictures a second, over and over."""
    pictures = []
    for path in sorted(squares.frames.iterdir()):
        buffer = io.BytesIO()
        Image.open(path).save(buffer, "JPEG", quality=95)
        pictures.append(buffer.getvalue())
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            try:
                for number in count():
                    picture = pictures[number % len(pictures)]
                    head = (
                        f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                    )
                    self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                    with sender.changed:
                        sender.sent += 1
                        sender.changed.notify_all()
                    if closing.wait(0.005):
                        return
            except ConnectionError:
                pass

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/camera"
    closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_frames_that_come_while_tracking_is_busy_are_dropped_and_counted(
    camera, sender, squares, settings, loaded
):
    out = squares.folder / "out"
    record = track_to_folder(
        camera,
        squares.mask(0, 1, 2),
        out,
        settings=settings,
        model=loaded,
        frames=FrameRange(max_frames=4),
        on_progress=lambda _: sender.send(40),
    )
    assert record.source["live"]
    assert record.frames_done == 4
    assert record.frames_dropped > 0
    assert read_run(out / "run.json").frames_dropped == record.frames_dropped
    assert any("were dropped" in warning for warning in record.warnings)
    indices = [int(path.stem) for path in sorted((out / "masks").iterdir())]
    # every frame that is missing was counted
    assert indices[-1] - 3 <= record.frames_dropped


def test_a_live_stream_may_be_waited_for(camera):
    with FrameStream(camera, live=False) as frames:
        indices = []
        for frame in frames:
            indices.append(frame.index)
            time.sleep(0.05)
            if len(indices) == 5:
                break
        assert (indices, frames.dropped) == ([0, 1, 2, 3, 4], 0)


def test_ctrl_c_ends_a_live_run_and_keeps_it(camera, squares, settings, loaded):
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    out = squares.folder / "out"
    record = track_to_folder(
        camera, squares.mask(0, 1), out, settings=settings, model=loaded, on_progress=stop
    )
    assert record.status.value == "interrupted"
    assert len(list((out / "masks").iterdir())) == 2
    with pytest.raises(SourceError, match="do not come again"):
        track_to_folder(
            camera, squares.mask(0, 1), out, settings=settings, model=loaded, resume=True
        )


def test_a_camera_is_watched_while_it_is_tracked(camera, squares, settings, loaded):
    seen = []
    with LivePage("camera") as page:
        viewer = threading.Thread(target=lambda: seen.extend(jpegs(f"{page.address}stream")))
        viewer.start()
        track_to_folder(
            camera,
            squares.mask(0, 1),
            squares.folder / "out",
            settings=settings,
            model=loaded,
            frames=FrameRange(max_frames=4),
            preview=page,
        )
        viewer.join(60)
    assert 1 <= len(seen) <= 4
    assert {decoded(jpeg).shape for jpeg in seen} == {(*squares.truth[0].shape, 3)}


def test_a_live_stream_has_no_way_back(camera, squares, settings, loaded):
    with pytest.raises(SourceError, match="read twice"):
        track(camera, squares.mask(0, 1), settings=settings, model=loaded, backward=True)


def test_a_video_on_a_server_is_not_live(clip_bytes, file_server):
    with FrameStream(file_server(clip_bytes).url) as frames:
        assert not frames.info.live
        indices = []
        for frame in frames:
            indices.append(frame.index)
            time.sleep(0.01)
        assert indices == list(range(10))


@pytest.fixture
def clip_bytes(tmp_path):
    from fractions import Fraction

    from persam_video.video.writer import VideoWriter

    with VideoWriter(tmp_path / "clip.mp4", size=(64, 48), fps=Fraction(25)) as video:
        for number in range(10):
            video.write(np.full((48, 64, 3), 20 * number, np.uint8))
    return (tmp_path / "clip.mp4").read_bytes()


def test_the_newest_item_is_given_and_errors_come_after_it():
    made = threading.Event()

    def items():
        yield from range(5)
        made.set()
        raise OSError("unplugged")

    newest = NewestItems(items())
    first = next(newest)
    made.wait(5)
    rest = []
    with pytest.raises(OSError, match="unplugged"):
        while True:
            rest.append(next(newest))
    assert (rest or [first])[-1] == 4
    assert 1 + len(rest) + newest.dropped == 5
    with pytest.raises(StopIteration):
        next(newest)
    newest.close()


def test_closing_ends_the_thread():
    closed = threading.Event()

    def items():
        try:
            number = 0
            while True:
                number += 1
                yield number
        finally:
            closed.set()

    newest = NewestItems(items())
    next(newest)
    newest.close()
    assert closed.is_set()
    with pytest.raises(StopIteration):
        next(newest)
