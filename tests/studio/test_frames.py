import random
from fractions import Fraction

import av
import numpy as np
import pytest

from persam_video.errors import SourceError
from persam_video.studio.frames import FrameReader
from persam_video.video import FrameStream

LENGTH = 90


def pictures():
    drawn = np.random.default_rng(3).integers(0, 255, (LENGTH, 8, 8, 3)).astype(np.uint8)
    return [np.kron(picture, np.ones((8, 8, 1), np.uint8)) for picture in drawn]


def write(path, codec, options, times):
    """Write a video with a timestamp, in milliseconds, for each frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(pictures(), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


REGULAR = [40 * index for index in range(LENGTH)]
VARIABLE = np.random.default_rng(8).integers(10, 200, LENGTH).cumsum().tolist()

KINDS = {
    "long-gop.mp4": ("libx264", {"g": "1000", "bf": "3"}, REGULAR),
    "short-gop.mp4": ("libx264", {"g": "7", "bf": "2"}, REGULAR),
    "open-gop.mp4": ("libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}, REGULAR),
    "variable.mkv": ("libx264", {"g": "20"}, VARIABLE),
    "variable.webm": ("libvpx-vp9", {"g": "30", "deadline": "realtime"}, VARIABLE),
    "no-index.ts": ("libx264", {"g": "10"}, REGULAR),
}


@pytest.mark.parametrize("name", KINDS)
def test_any_order_gives_the_frames_of_reading_in_order(name, tmp_path):
    path = write(tmp_path / name, *KINDS[name])
    with FrameStream(path) as stream:
        wanted = list(stream)
    reader = FrameReader(path, cache_bytes=200_000)
    assert reader.frame_count >= len(wanted)
    chance = random.Random(name)
    order = [chance.randrange(len(wanted)) for _ in range(25)]
    order += [*range(60, 40, -1), *range(70, 80), 0, len(wanted) - 1]
    for index in order:
        frame = reader.get(index)
        assert (frame.index, frame.time) == (index, wanted[index].time)
        assert np.array_equal(frame.rgb, wanted[index].rgb)
    with pytest.raises(SourceError, match=f"has no frame {LENGTH + 500}"):
        reader.get(LENGTH + 500)
    reader.close()


def test_memory_is_bounded(squares):
    size = 64 * 96 * 3
    reader = FrameReader(squares.frames, cache_bytes=3 * size)
    for index in (*range(12), *range(11, -1, -1)):
        reader.get(index)
        held = [frame.rgb.nbytes for frame in reader._cache.values()]
        assert sum(held) <= 3 * size
        assert sum(held) == reader._bytes


def test_an_end_that_comes_early_is_found(squares):
    reader = FrameReader(squares.frames)
    (squares.frames / "00011.png").unlink()
    with pytest.raises(SourceError):
        reader.get(11)


@pytest.mark.parametrize(
    ("name", "known"), [("short-gop.mp4", False), ("variable.mkv", True), ("variable.webm", True)]
)
def test_times_are_known_where_the_rate_varies(name, known, tmp_path):
    path = write(tmp_path / name, *KINDS[name])
    reader = FrameReader(path)
    with FrameStream(path) as stream:
        times = [frame.time for frame in stream]
    assert reader.times() == (pytest.approx(times) if known else None)
    reader.close()
