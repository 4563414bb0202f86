"""Starting amid a file: the same frames as a full read, sought only where that is sure."""

from fractions import Fraction

import av
import numpy as np
import pytest

from persam_video.video import FrameStream
from persam_video.video.seek_index import SeekPoint, frame_times
from persam_video.video.source import locate

B_FRAMES = {"bf": "3", "g": "6"}
UNEVEN_MS = [40 * n + 200 * (n > 12) + 7 * (n % 3) for n in range(30)]
X265 = {"x265-params": "log-level=none:keyint=6:open-gop=0"}
STARTS = (1, 5, 6, 13, 29)

SOUGHT = [
    ("b-frames.mp4", {"options": B_FRAMES}),
    ("b-frames.mkv", {"options": B_FRAMES}),
    ("b-frames.flv", {"options": B_FRAMES}),
    ("film.mov", {"options": B_FRAMES, "fps": Fraction(24000, 1001)}),
    ("hevc.mp4", {"codec": "libx265", "options": X265}),
    ("vp9.webm", {"codec": "libvpx-vp9", "options": {"g": "6", "lag-in-frames": "6"}}),
    ("mjpeg.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("uneven.mp4", {"options": B_FRAMES, "times_ms": UNEVEN_MS}),
    ("uneven.mkv", {"options": B_FRAMES, "times_ms": UNEVEN_MS}),
    ("late.mkv", {"options": B_FRAMES, "moved_frames": 50}),
]
READ_THROUGH = [
    ("transport.ts", {"options": B_FRAMES}),
    ("h264.avi", {"options": B_FRAMES}),
    ("raw.h264", {"options": B_FRAMES, "format": "h264"}),
    ("open-gop.mp4", {"options": {**B_FRAMES, "x264-params": "open-gop=1"}}),
    ("refresh.mp4", {"options": {"bf": "0", "g": "6", "x264-params": "intra-refresh=1"}}),
    ("cut.mp4", {"options": {"g": "6", "bf": "0"}, "moved_frames": -9}),
    ("vp8.webm", {"codec": "libvpx", "options": {"g": "6", "auto-alt-ref": "1"}}),
    ("one-group.mp4", {"options": {"g": "99"}}),
]


def check_starts(path, starts=STARTS):
    """Compare every frame from each start with that of a full read."""
    with FrameStream(path) as stream:
        whole = list(stream)
    for start in starts:
        with FrameStream(path, start=start, stride=2) as stream:
            found = list(stream)
        assert stream.warnings == []
        for ours, theirs in zip(found, whole[start::2], strict=True):
            assert (ours.index, ours.time) == (theirs.index, theirs.time)
            np.testing.assert_array_equal(ours.rgb, theirs.rgb)


@pytest.mark.parametrize(("name", "recipe"), SOUGHT)
def test_a_start_is_sought_and_gives_the_frames_of_a_full_read(clips, name, recipe):
    path = clips.make(name, 30, **recipe)
    check_starts(path)
    point = SeekPoint.before(locate(path), 13)
    assert point is not None
    with FrameStream(path) as stream:
        assert frame_times(locate(path)) == pytest.approx([frame.time for frame in stream])
    assert 12 <= len(point.skipped) <= 13  # the encoder may have put in another keyframe
    assert point.timestamp > point.skipped[-1]


@pytest.mark.parametrize(("name", "recipe"), READ_THROUGH)
def test_what_cannot_be_sought_exactly_is_decoded_from_its_beginning(clips, name, recipe):
    path = clips.make(name, 30, **recipe)
    check_starts(path, (1, 13, 20))
    assert SeekPoint.before(locate(path), 13) is None


def test_a_turned_video_is_sought(clips, corners):
    pictures = [np.roll(corners, 5 * n, axis=1) for n in range(12)]
    path = clips.encode("turned.mp4", pictures, clips.recipe(size=(192, 128), options=B_FRAMES))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # of version 0, after 40 bytes of other fields
    turn = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turn)
    path.write_bytes(data)
    check_starts(path, (7, 11))
    with FrameStream(path, start=7) as stream:
        assert (stream.info.width, stream.info.height) == (128, 192)
    assert SeekPoint.before(locate(path), 7) is not None


def test_no_more_than_needed_is_decoded(clips):
    path = clips.make("a.mp4", 30, options=B_FRAMES)
    damaged = clips.folder / "damaged.mp4"
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        # amid the second group, so that decoding it could not go unnoticed
        for packet in packets[6:12]:
            data[packet.pos + 4 : packet.pos + packet.size] = bytes(packet.size - 4)
    damaged.write_bytes(data)
    with FrameStream(path, start=12) as whole, FrameStream(damaged, start=12) as frames:
        for ours, theirs in zip(frames, whole, strict=True):
            assert (ours.index, ours.time) == (theirs.index, theirs.time)
            np.testing.assert_array_equal(ours.rgb, theirs.rgb)
        assert frames.warnings == []
    with FrameStream(path, start=6) as whole, FrameStream(damaged, start=6) as frames:
        assert not np.array_equal(next(frames).rgb, next(whole).rgb)
