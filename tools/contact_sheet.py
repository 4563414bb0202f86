"""Put frames of a video side by side in one picture, as in the README.

python tools/contact_sheet.py persam-video-demo/run/overlay.mp4 docs/demo.png --frames 0 20 30 45
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from persam_video import FrameStream
from persam_video.util.atomic import write_bytes


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("--frames", type=int, nargs="+", required=True, help="indices, from 0")
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--width", type=int, default=480, help="pixels of each frame")
    args = parser.parse_args()

    wanted = set(args.frames)
    with FrameStream(args.video) as stream:
        height = round(args.width * stream.info.height / stream.info.width)
        cells = [
            cv2.resize(frame.rgb, (args.width, height), interpolation=cv2.INTER_AREA)
            for frame in stream
            if frame.index in wanted
        ]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % args.columns)
    rows = [np.hstack(cells[i : i + args.columns]) for i in range(0, len(cells), args.columns)]
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    write_bytes(args.picture, cv2.imencode(".png", sheet)[1].tobytes())


if __name__ == "__main__":
    main()
