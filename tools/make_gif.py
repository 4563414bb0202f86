"""Make a small animation of a video, as in the README.

persam-video demo
python tools/make_gif.py persam-video-demo/run/overlay.mp4 docs/demo.gif --stride 2 --width 400
"""

import argparse
import io
from pathlib import Path

from PIL import Image

from persam_video import FrameStream
from persam_video.util.atomic import write_bytes


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("picture", type=Path, help="GIF to write")
    parser.add_argument("--stride", type=int, default=2, help="use every Nth frame")
    parser.add_argument("--width", type=int, default=400, help="width of the animation in pixels")
    parser.add_argument("--colours", type=int, default=64, help="size of its palette, at most 256")
    args = parser.parse_args()

    with FrameStream(args.video, stride=args.stride) as stream:
        info = stream.info
        size = (args.width, round(args.width * info.height / info.width))
        frames = [Image.fromarray(frame.rgb).resize(size, Image.Resampling.BOX) for frame in stream]
    # one palette for all frames, or colours would flicker; of a few frames, as they are alike
    sample = Image.new("RGB", (size[0], size[1] * 4))
    for place, frame in enumerate(frames[:: max(1, len(frames) // 4)][:4]):
        sample.paste(frame, (0, place * size[1]))
    palette = sample.quantize(args.colours, Image.Quantize.MEDIANCUT)
    # without dithering, whose dots would not compress
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    data = io.BytesIO()
    milliseconds = round(1000 * args.stride / float(info.fps or 25))
    first.save(
        data,
        "GIF",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        optimize=True,
    )
    write_bytes(args.picture, data.getvalue())


if __name__ == "__main__":
    main()
