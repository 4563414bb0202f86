"""Simulated clicks: the next one goes into the middle of the largest region that is wrong.

Source: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation" (RITM), ICIP 2022.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def next_click(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[int, int, bool] | None:
    """Return where the next click goes.

    Args:
        mask: bool (H, W), the answer so far.
        truth: bool (H, W).
        known: bool (H, W), where the truth is known.

    Returns:
        (x, y, whether the object is there): the pixel that is farthest from the border of what is
        missing or of what is too much; ``None`` where nothing is wrong.
    """
    found = []
    for wrong, positive in ((truth & ~mask & known, True), (mask & ~truth & known, False)):
        # the picture's border counts as a border
        padded = np.pad(wrong, 1).astype(np.uint8)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((float(depth[y, x]), int(x), int(y), positive))
    depth_found, x, y, positive = max(found, key=lambda click: click[0])
    return (x, y, positive) if depth_found > 0 else None


class Clicks:
    """The clicks of a batch of objects, in the order in which they were made.

    Args:
        count: number of objects.
        scale: input pixels for one pixel of a low-resolution mask.

    Attributes:
        points: (N, P, 2) in input pixels, (x, y).
        labels: (N, P): 1 object, 0 background, -1 no click.
    """

    def __init__(self, count: int, scale: float) -> None:
        self.points = torch.zeros(count, 0, 2)
        self.labels = torch.zeros(count, 0)
        self._scale = scale

    def add(
        self, masks: Tensor, truth: Tensor, known: Tensor, wanted: Tensor, rng: torch.Generator
    ) -> None:
        """Add a click for each object that is wanted (N,) and whose mask (N, H, W) is wrong.

        Half of the clicks are placed somewhere in the wrong region instead of its middle.
        """
        points = torch.zeros(len(masks), 1, 2)
        labels = torch.full((len(masks), 1), -1.0)
        anywhere = torch.rand(len(masks), generator=rng) < 0.4
        shown, actual, seen = (part > 0.5 for part in (masks, truth, known))
        for number in torch.nonzero(wanted).flatten().tolist():
            click = next_click(
                shown[number].numpy(), actual[number].numpy(), seen[number].numpy()
            )
            if click is None:
                continue
            x, y, positive = click
            if anywhere[number]:
                wrong = (shown[number] != actual[number]) & seen[number]
                wrong &= actual[number] == positive
                places = torch.nonzero(wrong)
                y, x = places[int(torch.randint(len(places), (1,), generator=rng))].tolist()
            points[number, 0] = torch.tensor([x + 0.5, y + 0.5]) * self._scale
            labels[number, 0] = float(positive)
        self.points = torch.cat([self.points, points], dim=1)
        self.labels = torch.cat([self.labels, labels], dim=1)
