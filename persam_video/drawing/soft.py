"""Soft edges, and blurs without halos."""

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.results import FrameResult

_USUAL = 0.003  # standard deviation as a share of the picture's shorter side
_LEAST = 0.6  # pixels
_WIDTH = 2.5  # perceived width of a soft edge, in standard deviations


def soft_mask(mask: NDArray[np.bool_], feather: float | None = None) -> NDArray[np.float32]:
    """Return a mask with soft edges, as the opacity of each pixel, 0 to 1.

    Args:
        mask: boolean array of shape (H, W).
        feather: width of the edge in pixels, 0 for a hard one; by default just wide enough to
            look smooth at the picture's size.

    Returns:
        A float32 array of shape (H, W).
    """
    solid = mask.astype(np.float32)
    if feather is None:
        sigma = max(_LEAST, _USUAL * min(mask.shape))
    elif feather == 0:
        return solid
    else:
        sigma = feather / _WIDTH
    return np.asarray(cv2.GaussianBlur(solid, (0, 0), sigma), np.float32)


def objects_share(result: FrameResult, feather: float | None = None) -> NDArray[np.float32]:
    """Return how much of each pixel belongs to the objects of a frame, 0 to 1.

    Args:
        result: of the frame; its soft masks are used where it has them.
        feather: width of the edges of all other objects; see ``soft_mask``.

    Returns:
        A float32 array of shape (H, W).
    """
    given = np.zeros(256, np.bool_)
    given[list(result.soft)] = True
    share = soft_mask((result.labels > 0) & ~given[result.labels], feather)
    for mask in result.soft.values():
        x0, y0, x1, y1 = mask.box
        # where objects touch, both together have all of the pixel
        share[y0:y1, x0:x1] += mask.alpha / np.float32(255)
    return np.minimum(share, 1, out=share)


def blend(
    front: NDArray[np.uint8], back: NDArray[np.uint8], share: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Blend two pictures by the opacity of the front one.

    Args:
        front: uint8 array of shape (H, W, 3).
        back: uint8 array of the same shape.
        share: float32 array of shape (H, W), opacity of ``front``, 0 to 1.
    """
    mixed = np.asarray(cv2.blendLinear(front, back, share, 1 - share), np.uint8)
    # the sum of both shares is rounded, so that pixels of one picture alone could be off by one
    cv2.copyTo(front, (share == 1).view(np.uint8), mixed)
    cv2.copyTo(back, (share == 0).view(np.uint8), mixed)
    return mixed


def blur_of(rgb: NDArray[np.uint8], part: NDArray[np.bool_], sigma: float) -> NDArray[np.uint8]:
    """Blur one part of a frame by itself.

    Pixels outside the part do not contribute, so that it has no halo.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        part: boolean array of shape (H, W).
        sigma: standard deviation of the blur in pixels.

    Returns:
        A uint8 array of shape (H, W, 3).
    """
    height, width = part.shape
    # A strong blur looks the same when computed at low resolution, and costs far less.
    scale = max(1, round(sigma / 4))
    size = (max(1, width // scale), max(1, height // scale))
    weight = cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    visible = np.where(part[..., None], rgb, np.uint8(0))
    colours = cv2.resize(visible, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    spread = cv2.GaussianBlur(colours, (0, 0), max(0.5, sigma / scale))
    share = cv2.GaussianBlur(weight, (0, 0), max(0.5, sigma / scale))[..., None]
    blurred = np.clip(spread / np.maximum(share, 1e-3), 0, 255).astype(np.uint8)
    large = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8)
