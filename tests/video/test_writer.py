import struct
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from persam_video.errors import ConfigError, OutputError, SourceError
from persam_video.video import FrameStream, VideoWriter
from persam_video.video.formats import CODECS

NTSC_FILM = Fraction(24000, 1001)
SIZE = (64, 48)
UNEVEN = [n / 25 + 0.4 * (n > 12) + 0.007 * (n % 3) for n in range(30)]


def atoms(path: Path) -> list[str]:
    """Return the names of an MP4's outermost parts, in order."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        names.append(data[at + 4 : at + 8].decode())
        at += length
    return names


@dataclass(frozen=True)
class Facts:
    """What a video file says of itself, and when its frames are shown."""

    codec: str
    pix_fmt: str
    rates: set[Fraction]
    count: int
    colours: tuple[int, int, int, int]  # range, matrix, primaries, transfer
    times: list[float]


def read(path: Path) -> Facts:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return Facts(
            codec=context.name,
            pix_fmt=context.pix_fmt,
            rates={stream.average_rate, stream.guessed_rate},
            count=stream.frames,
            colours=(
                context.color_range,
                context.colorspace,
                context.color_primaries,
                context.color_trc,
            ),
            times=[frame.time for frame in container.decode(stream)],
        )


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fps", [NTSC_FILM, Fraction(25), Fraction(120000, 1001), Fraction(7, 3)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_writes_what_browsers_play(clips, tmp_path: Path, fps: Fraction, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, size=SIZE, fps=fps) as video:
        for number in range(30):
            video.write(clips.picture(number))
    facts = read(path)
    assert (facts.codec, facts.pix_fmt, facts.count) == ("h264", "yuv420p", 30)
    assert facts.rates == {fps}
    assert facts.times == pytest.approx([float(n / fps) for n in range(30)])
    assert atoms(path).index("moov") < atoms(path).index("mdat")
    with FrameStream(path) as frames:
        assert clips.numbers(frames) == list(range(30))
        assert frames.info.fps == fps
    assert entries(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("size", "preset"),
    [((1920, 1080), "superfast"), ((1080, 1920), "superfast"), ((2048, 1152), "ultrafast")],
)
def test_large_pictures_are_coded_with_less_effort(size, preset):
    assert CODECS["h264"].options_for(*size)["preset"] == preset


def test_large_pictures_are_as_like_their_source(tmp_path: Path) -> None:
    """With the tools of a main or high profile, which a bare "ultrafast" would leave out."""
    rng = np.random.default_rng(6)
    coarse = rng.integers(0, 256, (68, 120, 3), np.uint8)
    rgb = np.asarray(cv2.resize(coarse, (3840, 2160), interpolation=cv2.INTER_CUBIC), np.uint8)
    path = tmp_path / "large.mp4"
    with VideoWriter(path, size=(3840, 2160), fps=Fraction(25)) as video:
        for number in range(3):
            video.write(np.roll(rgb, 16 * number, axis=1))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.profile == "High"
    with FrameStream(path) as frames:
        for number, frame in enumerate(frames):
            difference = frame.rgb.astype(int) - np.roll(rgb, 16 * number, axis=1)
            assert np.square(difference[::4, ::4]).mean() < 12  # 37 dB
    assert path.stat().st_size < 1.5e6


@pytest.mark.parametrize("size", [(65, 48), (64, 47), (65, 47), (1, 1)])
def test_odd_sizes_repeat_their_last_row_and_column(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[:, width // 2 :] = 200
    with VideoWriter(tmp_path / "a.mp4", size=size, fps=Fraction(25), crf=0) as video:
        video.write(rgb)
    with FrameStream(tmp_path / "a.mp4") as frames:
        (frame,) = frames
    assert frame.rgb.shape[:2] == (height + height % 2, width + width % 2)
    np.testing.assert_allclose(frame.rgb[-1, -1], 200, atol=4)
    np.testing.assert_allclose(frame.rgb[:height, :width].astype(int), rgb, atol=4)


@pytest.mark.parametrize(
    ("size", "matrix", "primaries"), [((320, 240), 6, 6), ((1280, 720), 1, 1), ((96, 720), 1, 1)]
)
def test_colours_are_right_and_tagged(
    tmp_path: Path, size: tuple[int, int], matrix: int, primaries: int
) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 90, 30)]
    width, height = size
    path = tmp_path / "a.mp4"
    with VideoWriter(path, size=size, fps=Fraction(25)) as video:
        for colour in colours:
            video.write(np.full((height, width, 3), colour, np.uint8))
    with FrameStream(path) as frames:
        for frame, colour in zip(frames, colours, strict=True):
            error = np.abs(frame.rgb.astype(int) - colour)
            assert error.max() <= 4
    assert read(path).colours == (1, matrix, primaries, primaries)


def test_keeps_the_times_of_a_variable_frame_rate(clips, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, size=SIZE, fps=Fraction(25)) as video:
        for number, time in enumerate(UNEVEN):
            video.write(clips.picture(number), time)
    assert read(path).times == pytest.approx(UNEVEN, abs=0.0006)
    with FrameStream(path) as frames:
        assert clips.numbers(frames) == list(range(30))
        assert frames.info.variable_frame_rate


def test_times_rounded_by_the_source_give_an_exact_rate(clips, tmp_path: Path) -> None:
    source = clips.make("a.mkv", 30, fps=NTSC_FILM)
    path = tmp_path / "out.mp4"
    with FrameStream(source) as frames, VideoWriter(path, size=SIZE, fps=NTSC_FILM) as video:
        for frame in frames:
            video.write(frame.rgb, frame.time)
    assert read(path).rates == {NTSC_FILM}


# --- Sound -----------------------------------------------------------------------------------


def clicks(path: Path) -> list[float]:
    """Return when the clicks are heard, in seconds after the first frame is shown."""
    with av.open(str(path)) as container:
        samples, begin = [], None
        for frame in container.decode(audio=0):
            begin = frame.time if begin is None else begin
            samples.append(frame.to_ndarray().astype(float).reshape(-1)[: frame.samples])
            rate = frame.sample_rate
    wave = np.abs(np.concatenate(samples))
    wave /= wave.max()
    starts, last = [], -rate
    for at in np.flatnonzero(wave > 0.6):
        if at - last > rate // 2:
            starts.append(begin + at / rate)
        last = at
    return [start - read(path).times[0] for start in starts]


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def rewrite(source: Path, path: Path, **selection: int) -> VideoWriter:
    with (
        FrameStream(source, **selection) as frames,
        VideoWriter(path, size=SIZE, fps=Fraction(10), audio_from=source) as video,
    ):
        for frame in frames:
            video.write(frame.rgb, frame.time)
    return video


@pytest.mark.parametrize(
    ("name", "sound", "copied"),
    [
        ("a.mp4", "aac", True),
        ("a.mkv", "aac", True),
        ("a.ts", "aac", True),
        ("a.mkv", "libopus", True),
        ("a.mkv", "flac", True),
        ("a.mkv", "pcm_s16le", False),
        ("a.mkv", "ac3", False),
        ("a.avi", "pcm_s16le", False),
    ],
)
def test_sound_is_copied_or_encoded_in_step(
    clips, tmp_path: Path, name: str, sound: str, copied: bool
) -> None:
    rate = 48000 if sound == "libopus" else 44100
    source = clips.make(name, 30, fps=Fraction(10), sound=sound, sound_rate=rate)
    path = tmp_path / "out.mp4"
    assert rewrite(source, path).warnings == []
    with FrameStream(path) as frames:
        assert frames.info.has_audio
        assert len(list(frames)) == 30
    if copied and name != "a.ts":  # there, each packet has a header of its own
        assert packets(path) == packets(source)
    with av.open(str(path)) as container:
        codec = container.streams.audio[0].codec_context.name
    assert codec == ({"libopus": "opus"}.get(sound, sound) if copied else "aac")
    assert clicks(path) == pytest.approx([0.5, 1.5, 2.5], abs=0.01)


@pytest.mark.parametrize(
    ("sound", "selection", "heard"),
    [
        ("aac", {"stop": 17}, [0.5, 1.5]),
        ("aac", {"start": 7}, [0.8, 1.8]),
        ("aac", {"start": 7, "stop": 17}, [0.8]),
        ("aac", {"stride": 4}, [0.5, 1.5, 2.5]),
        ("flac", {"start": 3, "stop": 23}, [0.2, 1.2]),
        ("pcm_s16le", {"start": 7, "stop": 19}, [0.8]),
    ],
)
@pytest.mark.parametrize("moved", [0, 25])
def test_sound_is_cut_to_the_frames(
    clips, tmp_path: Path, sound: str, selection: dict[str, int], heard: list[float], moved: int
) -> None:
    source = clips.make("a.mkv", 30, fps=Fraction(10), sound=sound, moved_frames=moved)
    path = tmp_path / "out.mp4"
    rewrite(source, path, **selection)
    assert clicks(path) == pytest.approx(heard, abs=0.01)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        length = float(video.duration * video.time_base)
        assert float(audio.duration * audio.time_base) <= length + 0.15


def test_a_source_without_sound_adds_none(clips, tmp_path: Path) -> None:
    source = clips.make("a.mp4", 5, fps=Fraction(10))
    assert rewrite(source, tmp_path / "out.mp4").warnings == []
    with FrameStream(tmp_path / "out.mp4") as frames:
        assert not frames.info.has_audio


def test_sound_that_ends_early_leaves_the_video_whole(clips, tmp_path: Path) -> None:
    source = clips.make("a.ts", 30, fps=Fraction(10), sound="mp2")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 :] = np.random.default_rng(0).bytes(len(data) - len(data) // 2)
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(data)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, size=SIZE, fps=Fraction(10), audio_from=damaged) as video:
        for number in range(30):
            video.write(clips.picture(number), number / 10)
    with FrameStream(path) as frames:
        assert clips.numbers(frames) == list(range(30))


# --- Whole or not at all ---------------------------------------------------------------------


def test_appears_only_when_closed(clips, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("the video before")
    video = VideoWriter(path, size=SIZE, fps=Fraction(25))
    video.write(clips.picture(3))
    assert path.read_text() == "the video before"
    assert entries(tmp_path) == [".a.mp4.part", "a.mp4"]
    video.close()
    video.close()
    video.abort()
    assert entries(tmp_path) == ["a.mp4"]
    assert len(read(path).times) == 1
    with pytest.raises(ValueError, match="closed"):
        video.write(clips.picture(3))


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_the_old_file_or_none(
    clips, tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.mp4"
    for before in ([], ["a.mp4"]):
        for name in before:
            (tmp_path / name).write_bytes(b"old")
        with pytest.raises(error), VideoWriter(path, size=SIZE, fps=Fraction(25)) as video:
            for number in range(5):
                video.write(clips.picture(number))
            raise error
        assert entries(tmp_path) == before
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("frames", [0, 5])
def test_abort_leaves_nothing(clips, tmp_path: Path, frames: int) -> None:
    source = clips.make("source.mkv", 5, sound="aac")
    video = VideoWriter(tmp_path / "a.mp4", size=SIZE, fps=Fraction(25), audio_from=source)
    for number in range(frames):
        video.write(clips.picture(number))
    video.abort()
    video.abort()
    video.close()
    assert entries(tmp_path) == ["source.mkv"]


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=SIZE, fps=Fraction(25)):
        pass
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("a.gif", {}, OutputError, r"a\.gif: h264 cannot be written to '\.gif' files"),
        ("a", {}, OutputError, "cannot be written to '' files"),
        ("folder.mp4", {}, OutputError, r"folder\.mp4: is a folder"),
        ("missing/a.mp4", {}, OutputError, r"a\.mp4: cannot be written \(No such file"),
        ("file.txt/a.mp4", {}, OutputError, r"a\.mp4: cannot be written \(Not a directory"),
        ("a.mp4", {"codec": "divx"}, ConfigError, "video codec 'divx' is unknown"),
        ("a.mp4", {"crf": 52}, ConfigError, "crf is 52; give a number from 0 to 51"),
        ("a.mp4", {"fps": Fraction(0)}, ConfigError, "the frame rate is 0"),
        ("a.mp4", {"audio_from": Path("file.txt")}, SourceError, r"file\.txt"),
    ],
)
def test_refuses_what_it_cannot_write(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    settings: dict,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file.txt").write_text("words")
    before = entries(tmp_path)
    with pytest.raises(error, match=message) as caught:
        VideoWriter(tmp_path / name, **{"size": SIZE, "fps": Fraction(25), **settings})
    assert "\n" not in str(caught.value)
    assert entries(tmp_path) == before


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((48, 65, 3), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 3), np.float32),
    ],
)
def test_refuses_frames_of_another_kind(tmp_path: Path, rgb: NDArray) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=SIZE, fps=Fraction(25)) as video:
        with pytest.raises(ValueError, match="expected uint8 of shape"):
            video.write(rgb)
        video.write(np.zeros((96, 128, 3), np.uint8)[::2, ::2])  # not contiguous
    assert len(read(tmp_path / "a.mp4").times) == 1


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full to write to")
    video = VideoWriter(tmp_path / "a.mkv", size=(256, 256), fps=Fraction(25), crf=0)
    partial = tmp_path / ".a.mkv.part"
    partial.unlink()
    partial.symlink_to(full)
    noise = np.random.default_rng(0)
    with pytest.raises(OutputError, match=r"a\.mkv: cannot be written .*free some space"):
        for _ in range(200):
            video.write(noise.integers(0, 255, (256, 256, 3), np.uint8))
        video.close()
    assert entries(tmp_path) == []


def test_times_grow_in_the_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=SIZE, fps=Fraction(25)) as video:
        for time in (0.0, 0.04, 0.04, 0.03, 0.2):
            video.write(np.zeros((48, 64, 3), np.uint8), time)
    times = read(tmp_path / "a.mp4").times
    assert len(times) == 5
    assert all(a < b for a, b in pairwise(times))


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("hevc", ".mp4"), ("av1", ".mp4"), ("vp9", ".mp4"), ("av1", ".webm"), ("vp9", ".webm")],
)
def test_other_codecs(clips, tmp_path: Path, codec: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, size=SIZE, fps=Fraction(25), codec=codec) as video:
        for number in range(12):
            video.write(clips.picture(number))
    with FrameStream(path) as frames:
        assert clips.numbers(frames) == list(range(12))
    assert read(path).codec.removeprefix("libdav1d") in (codec, "")


def test_an_encoder_that_talks_about_itself_is_told_not_to(tmp_path: Path) -> None:
    """In a process of its own: SVT-AV1 asks once how much it may say."""
    source = (
        "import numpy as np\n"
        "from persam_video.video import VideoWriter\n"
        "with VideoWriter('a.mp4', size=(64, 48), fps=25, codec='av1') as video:\n"
        "    video.write(np.zeros((48, 64, 3), np.uint8))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


WRITE_AND_TELL_POLICIES = """
import os, sys
import numpy as np
from persam_video.video import VideoWriter

def policies():
    return {os.sched_getscheduler(int(task)) for task in os.listdir("/proc/self/task")}

name, codec, channels = sys.argv[1:]
before = policies()
with VideoWriter(name, size=(64, 48), fps=25, codec=codec) as video:
    video.write(np.zeros((48, 64, int(channels)), np.uint8))
    assert policies() == before, policies()
assert policies() == before, policies()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such policies")
@pytest.mark.parametrize("codec", CODECS)
def test_no_encoder_gets_ahead_of_the_rest_of_the_machine(tmp_path: Path, codec: str) -> None:
    """Real-time priority, which root may have, would also go to all that is started later."""
    channels = 4 if CODECS[codec].alpha else 3
    done = subprocess.run(
        [
            *(sys.executable, "-c", WRITE_AND_TELL_POLICIES),
            *(f"a{CODECS[codec].suffixes[0]}", codec, str(channels)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_codec_with_one_quality(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prores has only one quality"):
        VideoWriter(tmp_path / "a.mov", size=SIZE, fps=Fraction(25), codec="prores", crf=3)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("codec", [name for name in CODECS if name != "av1"])
def test_short_videos(tmp_path: Path, codec: str, count: int) -> None:
    channels = 4 if CODECS[codec].alpha else 3
    path = tmp_path / f"a{CODECS[codec].suffixes[0]}"
    for _ in range(3):  # x265 leaves timestamps to chance
        with VideoWriter(path, size=(64, 48), fps=Fraction(25), codec=codec) as writer:
            for _ in range(count):
                writer.write(np.full((48, 64, channels), 90, np.uint8))
        with FrameStream(path) as stream:
            assert [round(frame.time * 25) for frame in stream] == list(range(count))
