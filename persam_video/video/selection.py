"""Selecting frames of a source."""

from dataclasses import dataclass

from persam_video.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """Frames ``start``, ``start + stride``, … before ``stop``, as in ``range``.

    Attributes:
        start: index of the first frame, from 0.
        stop: index before which the frames end, or ``None`` for the end of the source.
        stride: distance between frames, 1 for every frame.
    """

    start: int = 0
    stop: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ConfigError(f"start is {self.start}; give a frame index of 0 or more")
        if self.stride < 1:
            raise ConfigError(f"stride is {self.stride}; give a whole number of 1 or more")
        if self.stop is not None and self.stop <= self.start:
            raise ConfigError(
                f"no frame lies between start {self.start} and stop {self.stop}; "
                "give a stop above the start"
            )

    def __contains__(self, index: int) -> bool:
        return (
            index >= self.start
            and self.is_before_stop(index)
            and (index - self.start) % self.stride == 0
        )

    def is_before_stop(self, index: int) -> bool:
        """Return whether ``stop`` comes after frame ``index``."""
        return self.stop is None or index < self.stop

    def ends_with(self, index: int) -> bool:
        """Return whether no selected frame comes after frame ``index``."""
        return self.stop is not None and index + self.stride >= self.stop and index in self

    def within(self, total: int) -> range:
        """Return the selected indices of a source of ``total`` frames."""
        stop = total if self.stop is None else min(self.stop, total)
        return range(self.start, max(stop, self.start), self.stride)


ALL = Selection()
"""Every frame of a source."""
