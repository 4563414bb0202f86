"""What the literature has of PerSAM's benchmarks, without torch."""

from dataclasses import dataclass
from enum import Enum

_PERSAM = "Zhang et al., Personalize Segment Anything Model with One Shot"


class PublishedBenchmark(str, Enum):
    """A benchmark with published figures of PerSAM."""

    DAVIS2017 = "davis2017"
    PERSEG = "perseg"


@dataclass(frozen=True)
class PublishedFigure:
    """A figure from the literature.

    Attributes:
        method: name of the method.
        figure: the benchmark's main measure, in percent.
        source: where it was published.
    """

    method: str
    figure: float
    source: str


PUBLISHED = {
    PublishedBenchmark.DAVIS2017: (
        PublishedFigure("PerSAM-F, ViT-H", 71.9, f"{_PERSAM}, first version"),
        PublishedFigure("PerSAM-F, ViT-H", 76.1, f"{_PERSAM}, ICLR 2024"),
        PublishedFigure("PerSAM-F's scripts, run by a user", 59.7, "issue 31 of Personalize-SAM"),
        PublishedFigure(
            "SAM-PT, ViT-H", 76.6, "Rajič et al., Segment Anything Meets Point Tracking"
        ),
        PublishedFigure("Matcher", 79.5, "Liu et al., Matcher, ICLR 2024"),
    ),
    PublishedBenchmark.PERSEG: (
        PublishedFigure("PerSAM, ViT-H", 89.3, f"{_PERSAM}, ICLR 2024"),
        PublishedFigure("PerSAM-F, ViT-H", 95.3, f"{_PERSAM}, ICLR 2024"),
    ),
}
