"""What a person says of one object."""

from dataclasses import dataclass

from persam_video.errors import AnnotationError

Point = tuple[float, float]


@dataclass(frozen=True)
class ObjectPrompts:
    """A box, points, or both, that name one object of a frame.

    Attributes:
        object_id: the label it gets, 1 to 254.
        box: (x0, y0, x1, y1) in frame pixels, x1 and y1 exclusive.
        points: (x, y) in frame pixels, on the object.
        background: (x, y) in frame pixels, beside it.
    """

    object_id: int
    box: tuple[float, float, float, float] | None = None
    points: tuple[Point, ...] = ()
    background: tuple[Point, ...] = ()

    def check(self, size: tuple[int, int], *, corrects: bool = False) -> None:
        """Refuse what is no prompt in a frame of ``size`` (height, width).

        Args:
            size: of the frame.
            corrects: whether there is a mask already, so that background points alone will do.

        Raises:
            AnnotationError: the id is no label, the box is empty, a coordinate is outside of the
                frame, or nothing says where the object is.
        """
        name = f"object {self.object_id}"
        height, width = size
        if not 1 <= self.object_id <= 254:
            raise AnnotationError(f"{name}: ids are 1 to 254")
        if self.box is None and not self.points and not (corrects and self.background):
            raise AnnotationError(f"{name}: background points alone name nothing; add one on it")
        for x, y in (*self.points, *self.background):
            if not (0 <= x < width and 0 <= y < height):
                raise AnnotationError(
                    f"{name}: point {x:g},{y:g} is outside of the frame, which is {width}x{height} "
                    f"(x from 0 to {width - 1}, y from 0 to {height - 1})"
                )
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if not (x0 < x1 and y0 < y1):
                raise AnnotationError(
                    f"{name}: box {x0:g},{y0:g},{x1:g},{y1:g} is empty; give x0,y0,x1,y1 with the "
                    "upper left corner first"
                )
            if not (x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height):
                raise AnnotationError(
                    f"{name}: box {x0:g},{y0:g},{x1:g},{y1:g} reaches out of the frame, which is "
                    f"{width}x{height}"
                )
