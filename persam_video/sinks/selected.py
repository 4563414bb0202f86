"""Outputs of some objects only, or under other names."""

from collections.abc import Mapping, Set

from persam_video.drawing.coverage import Coverage
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.video.frame import Frame


class SelectedObjects(Sink):
    """Passes results on to another sink as if there were no other objects, by the names given."""

    def __init__(self, sink: Sink, objects: Set[int] | None, names: Mapping[int, str]) -> None:
        """Begin.

        Args:
            sink: where the results go; it is closed together with this one.
            objects: ids of the objects that it gets; all when not given.
            names: names of objects by id, instead of those that they have.
        """
        self._sink = sink
        self._objects = objects
        self._names = names
        self._missing = set(objects or ())

    @property
    def warnings(self) -> tuple[str, ...]:
        """The other sink's warnings, and which objects there were none of."""
        lines = [
            f"object {object_id} was chosen, and is in no frame"
            for object_id in sorted(self._missing)
        ]
        return (*self._sink.warnings, *lines)

    @property
    def coverage(self) -> Coverage | None:
        """The other sink's."""
        return self._sink.coverage

    def pass_over(self, result: FrameResult) -> None:
        """Pass the result on."""
        self._sink.pass_over(self._selected(result))

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Pass the frame and its result on.

        Raises:
            OutputError: the other sink cannot write it.
        """
        self._missing -= {known.object_id for known in result.objects}
        self._sink.write(frame, self._selected(result))

    def close(self) -> None:
        """Close the other sink.

        Raises:
            OutputError: its output cannot be finished.
        """
        self._sink.close()

    def abort(self) -> None:
        """Drop the other sink's output."""
        self._sink.abort()

    def _selected(self, result: FrameResult) -> FrameResult:
        if self._names:
            known = {o.object_id: o.name for o in result.objects if o.name is not None}
            result = result.named({**known, **self._names})
        return result if self._objects is None else result.only(self._objects)
