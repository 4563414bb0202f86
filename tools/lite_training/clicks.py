"""Simulated clicks on the objects of a batch."""

import torch
from torch import Tensor

from persam_video.prompting.clicks import next_click


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
            click = next_click(shown[number].numpy(), actual[number].numpy(), seen[number].numpy())
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
