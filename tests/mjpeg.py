"""A viewer of MJPEG, as simple as a browser's."""

from collections.abc import Iterator
from urllib.request import urlopen

import cv2
import numpy as np


def jpegs(address: str) -> Iterator[bytes]:
    """Read the pictures of a stream until it ends.

    As in Chromium, a picture is there when the head of the one behind it is.
    """
    with urlopen(address, timeout=60) as answer:
        boundary = answer.headers.get_param("boundary")
        head = f"--{boundary}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        got = bytearray()
        while some := answer.read1():
            got += some
            while (end := got.find(head)) >= 0:
                if end:
                    yield bytes(got[:end]).removesuffix(b"\r\n")
                del got[: end + len(head)]
        assert got == b""


def decoded(jpeg: bytes) -> np.ndarray:
    """Return the picture, uint8 RGB (H, W, 3)."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
