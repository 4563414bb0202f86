"""Which frames of an anonymised video may show what they should hide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Spans: TypeAlias = list[tuple[int, int]]
"""Runs of consecutive drawn frames as (first, last), both included."""


def add_frame(spans: Spans, index: int, previous: int | None) -> None:
    """Add a frame: to the last span if that ends with the frame drawn before, else as a new span.

    Args:
        spans: extended in place.
        index: index of the frame.
        previous: index of the frame drawn before; ``None`` if it is the first.
    """
    if spans and spans[-1][1] == previous:
        spans[-1] = spans[-1][0], index
    else:
        spans.append((index, index))


@dataclass(frozen=True)
class Coverage:
    """Frames in which an object was hidden by its last box, or not at all.

    Attributes:
        kept: by object, the frames in which its last box was hidden, because it was lost, or
            because its mask had suddenly shrunk to less than half.
        lost: by object, the frames in which it was lost and nothing was hidden.
        unknown: by object, the frames before the first that shows it, in which nothing was hidden.
    """

    kept: Mapping[int, Spans]
    lost: Mapping[int, Spans]
    unknown: Mapping[int, Spans]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to check, one line per object and kind."""
        return (
            *(
                f"object {object_id} was lost, or its mask suddenly shrank, in {_frames(spans)}: "
                "its last box was hidden there, enlarged; check these frames"
                for object_id, spans in self.kept.items()
            ),
            *(
                f"object {object_id} was lost in {_frames(spans)}, and nothing was hidden there; "
                "check these frames, or pass --when-lost keep"
                for object_id, spans in self.lost.items()
            ),
            *(
                f"object {object_id} was not known in {_frames(spans)}, and nothing was hidden "
                "there; if they show it, annotate it earlier, or track with --backward"
                for object_id, spans in self.unknown.items()
            ),
        )


def _frames(spans: Spans) -> str:
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"{'frame' if texts == [str(spans[0][0])] else 'frames'} {', '.join(texts)}"
