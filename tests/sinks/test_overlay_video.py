"""The overlay video, read back with PyAV."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from persam_video.drawing.overlay import draw_overlay
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import ConfigError, OutputError
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.sinks.overlay_video import OverlayVideoSink
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind
from persam_video.video.stream import FrameStream

WIDTH, HEIGHT = 160, 120


def info(**changes):
    known = SourceInfo("clip.mp4", SourceKind.FILE, WIDTH, HEIGHT, Fraction(25))
    return replace(known, **changes)


def picture(index, height=HEIGHT, width=WIDTH):
    """A grey picture whose level is the number of the frame, with a square that is object 3."""
    rgb = np.full((height, width, 3), 20 + 8 * index, np.uint8)
    labels = np.zeros((height, width), np.uint8)
    labels[30:90, 10 + 2 * index : 60 + 2 * index] = 3
    return rgb, labels


def results(times, indices=None, **size):
    for index, time in zip(indices or range(len(times)), times, strict=True):
        rgb, labels = picture(index, **size)
        lost = ObjectResult(7, ObjectState.LOST, 0.0, None, 0)
        yield Frame(index, rgb, time), FrameResult(index, time, labels, (lost,))


def read(path):
    """The decoded pictures, their times, and the video stream's facts."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(video=0))
        facts = (stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate)
        pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
        return pictures, [float(frame.pts * frame.time_base) for frame in frames], facts


def write_source(path, fps, count, *, rate=44100):
    """A clip with a tone, as a camera would make it."""
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=rate, layout="mono")
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index)[0], format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.sin(np.arange(int(count / fps * rate)) * 2 * np.pi * 440 / rate)
        block = av.AudioFrame.from_ndarray(
            (0.3 * samples).astype(np.float32)[None], format="fltp", layout="mono"
        )
        block.sample_rate = rate
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))


def sound_length(path):
    with av.open(path) as container:
        if not container.streams.audio:
            return 0.0
        frames = list(container.decode(audio=0))
        return sum(frame.samples for frame in frames) / frames[0].sample_rate


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001)])
def test_every_frame_comes_back_drawn_at_the_exact_rate(tmp_path, fps):
    path = tmp_path / "overlay.mp4"
    written = list(results([float(i / fps) for i in range(10)]))
    with OverlayVideoSink(path, info(fps=fps), crf=8) as sink:
        for frame, result in written:
            sink.write(frame, result)
        assert not path.exists()
    pictures, times, facts = read(path)
    assert facts == ("h264", "yuv420p", fps)
    assert times == pytest.approx([float(i / fps) for i in range(10)], abs=1e-4)
    for (frame, result), seen in zip(written, pictures, strict=True):
        drawn = draw_overlay(frame.rgb, result.labels, result.objects).astype(int)
        assert np.abs(drawn - seen).mean() < 3
        assert np.abs(frame.rgb.astype(int) - seen).mean() > 5


def test_stride_keeps_the_speed(tmp_path):
    path = tmp_path / "overlay.mp4"
    indices = [0, 3, 6, 9, 12]
    with OverlayVideoSink(path, info(fps=Fraction(30)), stride=3) as sink:
        for frame, result in results([i / 30 for i in indices], indices):
            sink.write(frame, result)
    _, times, facts = read(path)
    assert facts[2] == 10
    assert times == pytest.approx([i / 30 for i in indices], abs=1e-4)


def test_times_of_a_variable_rate_are_kept(tmp_path):
    path = tmp_path / "overlay.mp4"
    times = [0.0, 0.04, 0.19, 0.2, 0.53, 0.55]
    with OverlayVideoSink(path, info(fps=Fraction(12), variable_frame_rate=True)) as sink:
        for frame, result in results(times):
            sink.write(frame, result)
    assert read(path)[1] == pytest.approx(times, abs=2e-3)


def test_a_source_without_a_rate_keeps_its_times(tmp_path):
    path = tmp_path / "overlay.mp4"
    times = [100.0, 100.1, 100.35]
    with OverlayVideoSink(path, info(fps=None, kind=SourceKind.CAMERA)) as sink:
        for frame, result in results(times):
            sink.write(frame, result)
    assert read(path)[1] == pytest.approx([0, 0.1, 0.35], abs=2e-3)


@pytest.mark.parametrize(
    ("start", "stride", "seconds"), [(0, 1, 1.0), (0, 5, 1.0), (10, 1, 0.6), (5, 2, 0.8)]
)
def test_the_sound_of_the_frames_goes_with_them(tmp_path, start, stride, seconds):
    source, path = tmp_path / "source.mp4", tmp_path / "overlay.mp4"
    write_source(source, Fraction(25), 25)
    with (
        FrameStream(source, start=start, stride=stride) as frames,
        OverlayVideoSink(path, frames.info, stride=stride) as sink,
    ):
        for frame in frames:
            _, labels = picture(frame.index)
            sink.write(frame, FrameResult(frame.index, frame.time, labels, ()))
    assert sound_length(path) == pytest.approx(seconds, abs=0.1)
    assert sink.warnings == ()


def test_a_source_without_sound_gives_a_silent_video(tmp_path):
    path = tmp_path / "overlay.mp4"
    with OverlayVideoSink(path, info()) as sink:
        for frame, result in results([0.0, 0.04]):
            sink.write(frame, result)
    assert sound_length(path) == 0


def test_odd_sizes_are_written(tmp_path):
    path = tmp_path / "overlay.mp4"
    with OverlayVideoSink(path, info(width=159, height=119)) as sink:
        for frame, result in results([0.0, 0.04], width=159, height=119):
            sink.write(frame, result)
    assert read(path)[0][0].shape == (120, 160, 3)


def test_style_is_used(tmp_path):
    path = tmp_path / "overlay.mp4"
    bare = OverlayStyle(alpha=0, contour=0, tags=False)
    with OverlayVideoSink(path, info(), style=bare, crf=8) as sink:
        for frame, result in results([0.0]):
            sink.write(frame, result)
    assert np.abs(read(path)[0][0].astype(int) - 20).mean() < 3


def test_a_block_that_fails_leaves_no_video(tmp_path):
    path = tmp_path / "overlay.mp4"
    with pytest.raises(RuntimeError), OverlayVideoSink(path, info()) as sink:
        for frame, result in results([0.0, 0.04, 0.08]):
            sink.write(frame, result)
        raise RuntimeError
    sink.close()
    assert not list(tmp_path.iterdir())


def test_without_a_frame_there_is_no_file(tmp_path):
    with OverlayVideoSink(tmp_path / "overlay.mp4", info()):
        pass
    assert not list(tmp_path.iterdir())


def test_wrong_settings_and_places(tmp_path):
    with pytest.raises(ConfigError, match="stride is 0"):
        OverlayVideoSink(tmp_path / "overlay.mp4", info(), stride=0)
    with pytest.raises(OutputError, match="missing"):
        OverlayVideoSink(tmp_path / "missing" / "overlay.mp4", info())
