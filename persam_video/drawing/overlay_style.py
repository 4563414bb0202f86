"""Options of how results are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from persam_video.drawing.colours import Colour, Palette
from persam_video.errors import ConfigError


class WhenLost(str, Enum):
    """What ``anonymise`` hides of an object while it is lost.

    ``keep``: the last box, which grows from frame to frame. ``none``: nothing.
    """

    KEEP = "keep"
    NONE = "none"


@dataclass(frozen=True)
class OverlayStyle:
    """How results are drawn.

    Attributes:
        styles: names of ``persam_video.drawing.styles.STYLES``, with a value or without:
            ``("anonymise=blur", "follow=9:16")``. What changes the frame itself comes first, then
            what is drawn on it, each in the given order, and the camera last.
        alpha: opacity of coloured masks, 0 (contours only) to 1 (flat colour).
        contour: width of contours and boxes in pixels of a picture whose short side is 480 pixels;
            it scales with the picture. 0 draws none.
        tags: whether the names (or ids) of objects and the list of lost ones are shown; by default
            it depends on the styles.
        colours: RGB colours, 0 to 255, by object id.
        feather: width in pixels of the soft edge between objects and their surroundings; each
            style has its own default.
        when_lost: what ``anonymise`` hides while an object is lost.
        follow: id of the object that ``follow`` keeps in view; by default the first visible one.
        pixel_aspect: width of a pixel divided by its height, for the shapes of ``follow``; sinks
            use that of their source.
    """

    styles: tuple[str, ...] = ("fill",)
    alpha: float = 0.42
    contour: float = 2.0
    tags: bool | None = None
    colours: Mapping[int, Colour] = field(default_factory=dict)
    feather: float | None = None
    when_lost: WhenLost = WhenLost.KEEP
    follow: int | None = None
    pixel_aspect: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"overlay alpha is {self.alpha}; give a value from 0 to 1.")
        if not 0 <= self.contour <= 100:
            raise ConfigError(f"overlay contour is {self.contour}; give 0 to 100 pixels.")
        if self.feather is not None and not 0 <= self.feather <= 200:
            raise ConfigError(f"overlay feather is {self.feather}; give 0 to 200 pixels.")

    @property
    def palette(self) -> Palette:
        """The colours of objects."""
        return Palette(self.colours)
