"""The interface of all decoders."""

from collections.abc import Generator
from typing import Protocol

from persam_video.video.frame import Frame
from persam_video.video.selection import Selection
from persam_video.video.source import SourceInfo


class Decoder(Protocol):
    """An open source that is decoded once, from its first frame to its last.

    Opening decodes the first frame, so that a source without one fails at once. Faults that do
    not end the stream, or end it early, are added to ``warnings`` as they are met.
    """

    @property
    def info(self) -> SourceInfo:
        """Facts about the source."""

    @property
    def warnings(self) -> list[str]:
        """Problems with the source so far, one line each."""

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Decode the selected frames, in order; may be called once."""

    def close(self) -> None:
        """Release the source; a second call does nothing."""
