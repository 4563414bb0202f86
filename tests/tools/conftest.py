import cv2
import numpy as np
import pytest

from persam_video.synthetic import demo


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A training folder in the layout that the tool reads, with a few small pictures."""
    root = tmp_path_factory.mktemp("train")
    for folder in ("images", "masks", "video/clip"):
        (root / folder).mkdir(parents=True)
    frames = [pair for i, pair in enumerate(demo().frames()) if i % 10 == 0]
    for number, (rgb, labels) in enumerate(frames):
        small = cv2.resize(rgb, (240, 136), interpolation=cv2.INTER_AREA)[:, :, ::-1]
        mask = cv2.resize(labels, (240, 136), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(root / f"images/s{number}.webp"), small)
        cv2.imwrite(str(root / f"masks/s{number}.png"), mask)
        cv2.imwrite(str(root / f"video/clip/{number:05d}.webp"), small)
        cv2.imwrite(str(root / f"video/clip/{number:05d}.png"), (mask > 0).astype(np.uint8) * 255)
    lines = ["name,source,objects", *(f"s{number},drawn,3" for number in range(len(frames)))]
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return root
