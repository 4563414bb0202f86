"""Show that reading a video takes no more memory the longer the video is.

Makes a 1080p H.264 video of 10,000 frames (58 GiB when decoded), reads it with a consumer that is
slow at first, so that a reader without bounds would run ahead, and fast after that, and writes
down resident memory along the way. decord, which by itself reads ahead without bound, reads a
part of the same video.

    python -m eval.stream_memory        # several minutes on one core; results in eval/results/

Reads /proc, so it runs on Linux.
"""

import platform
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from eval import common
from persam_video.video import FrameStream
from persam_video.video.stream import DecoderName

SIZE = (1920, 1080)
PREFETCH = 4
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """Resident memory at one moment."""

    frame: int
    seconds: float
    resident_mib: float


@dataclass(frozen=True)
class Run:
    """One reading of the video.

    Attributes:
        settled_mib: resident memory once decoding was under way.
        peak_mib: most resident memory from the first frame to the last.
        last_mib: resident memory at the last frame.
    """

    decoder: str
    frames: int
    slow_frames: int
    seconds: float
    settled_mib: float
    peak_mib: float
    last_mib: float
    samples: list[Sample]


def make_video(path: Path, frames: int) -> None:
    """Encode a video whose brightness rises and falls."""
    width, height = SIZE
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=Fraction(30), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = 60
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, value in zip(frame.planes, (16 + number % 200, 100, 150), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def read_video(path: Path, decoder: DecoderName, frames: int, slow: int, pause: float) -> Run:
    """Read frames, the first of them slowly, and sample resident memory every 50 frames."""
    samples = []
    count, peak, began = 0, 0.0, time.monotonic()
    with FrameStream(path, decoder=decoder, stop=frames, prefetch=PREFETCH) as stream:
        for frame in stream:
            count += 1
            if frame.index < slow:
                time.sleep(pause)
            resident = common.resident_mib()
            peak = max(peak, resident)
            if frame.index % 50 == 0 or frame.index == frames - 1:
                seconds = round(time.monotonic() - began, 2)
                samples.append(Sample(frame.index, seconds, round(resident, 1)))
                if frame.index % 500 == 0:
                    print(f"{decoder}: frame {frame.index:6d} {resident:8.1f} MiB", flush=True)
    return Run(
        decoder=decoder,
        frames=count,
        slow_frames=min(slow, count),
        seconds=samples[-1].seconds,
        settled_mib=next(sample.resident_mib for sample in samples if sample.frame >= 50),
        peak_mib=round(peak, 1),
        last_mib=samples[-1].resident_mib,
        samples=samples,
    )


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--frames", type=common.count, default=10_000)
    parser.add_argument("--decord-frames", type=common.count, default=1_500)
    parser.add_argument("--slow-frames", type=int, default=600)
    parser.add_argument(
        "--pause", type=float, default=0.05, help="seconds to wait after a slow frame"
    )
    parser.add_argument("--out", type=Path, default=common.RESULTS / "stream_memory.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        make_video(path, options.frames)
        print(f"made {options.frames} frames, {path.stat().st_size / MIB:.1f} MiB", flush=True)
        runs = [
            read_video(path, "pyav", options.frames, options.slow_frames, options.pause),
            read_video(path, "decord", options.decord_frames, options.slow_frames, options.pause),
        ]
    result = {
        "size": SIZE,
        "prefetch": PREFETCH,
        "decoded_frame_mib": round(SIZE[0] * SIZE[1] * 3 / MIB, 2),
        "pause_seconds": options.pause,
        "python": platform.python_version(),
        "pyav": av.__version__,
        "runs": runs,
    }
    common.write_facts(options.out, result)
    for run in runs:
        print(
            f"{run.decoder}: {run.frames} frames in {run.seconds:.0f} s; resident memory "
            f"{run.settled_mib} MiB after 50 frames, {run.last_mib} at the end, peak {run.peak_mib}"
        )


if __name__ == "__main__":
    common.run(main)
