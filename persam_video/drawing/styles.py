"""The styles of an overlay by name.

This module imports none of them, because the command line lists them in its help and should not
wait for OpenCV.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from persam_video.errors import ConfigError
from persam_video.util.suggest import did_you_mean

if TYPE_CHECKING:
    from persam_video.drawing.overlay_style import OverlayStyle
    from persam_video.drawing.style import Style

_HERE = "persam_video.drawing"


@dataclass(frozen=True)
class StyleKind:
    """Description of a style.

    Attributes:
        name: as given to ``--style``.
        about: what it does.
        maker: module within this package and function, as ``module:function``. It takes the
            value that is given with the name, or ``None``, and the ``OverlayStyle``, and returns a
            list of ``Style``.
        value: the value that may follow the name, as help shows it; empty if none may.
        examples: values to suggest.
        has_tags: whether object names are shown with it.
    """

    name: str
    about: str
    maker: str
    value: str = ""
    examples: tuple[str, ...] = ()
    has_tags: bool = False

    @property
    def usage(self) -> str:
        """The name, with the value that may follow it."""
        return f"{self.name}[={self.value}]" if self.value else self.name

    def make(self, value: str | None, style: "OverlayStyle") -> "Sequence[Style]":
        """Return the steps that make up the style.

        Raises:
            ConfigError: the style does not take this value.
        """
        if value is not None and not self.value:
            raise ConfigError(f"style {self.name} takes no value: leave out ={value}")
        maker: Callable[[str | None, OverlayStyle], Sequence[Style]]
        maker = resolve_name(f"{_HERE}.{self.maker}")
        return maker(value, style)


_KINDS = (
    StyleKind("fill", "coloured masks with contours", "outlines:fill", has_tags=True),
    StyleKind("contour", "contours only", "outlines:contour", has_tags=True),
    StyleKind("box", "boxes around the objects", "outlines:box", has_tags=True),
    StyleKind("spotlight", "a dark grey background", "ground:spotlight", has_tags=True),
    StyleKind("blur", "a blurred background", "ground:blur", has_tags=True),
    StyleKind(
        "side-by-side",
        "the original frame, with the drawing to its right",
        "overlay:side_by_side",
        has_tags=True,
    ),
    StyleKind(
        "anonymise",
        "the objects, or everything else, made unrecognisable",
        "anonymise:anonymise",
        "pixelate|blur|fill|pixelate-rest|…",
        ("pixelate", "blur", "fill", "pixelate-rest", "blur-rest", "fill-rest"),
    ),
    StyleKind(
        "background",
        "another background",
        "ground:background",
        "COLOUR|PICTURE|VIDEO",
        ("green", "white"),
    ),
    StyleKind(
        "follow",
        "a crop that follows one object",
        "follow:follow",
        "9:16|1:1|WIDTHxHEIGHT",
        ("9:16", "1:1", "4:5", "16:9"),
    ),
    StyleKind("trail", "the path of each object", "trail:trail", "SECONDS", ("1", "3")),
    StyleKind("labels", "only the names or ids of the objects", "tags:labels", has_tags=True),
)

STYLES = {kind.name: kind for kind in _KINDS}
"""All styles by name, in the order of the help; new styles are added here."""


def style_kind(text: str) -> StyleKind:
    """Return the style that ``NAME`` or ``NAME=VALUE`` names.

    Raises:
        ConfigError: there is no such style.
    """
    name = text.partition("=")[0]
    if name not in STYLES:
        raise ConfigError(f"style {name[:40]!r} is unknown: {did_you_mean(name, STYLES)}")
    return STYLES[name]


def parse_styles(texts: Iterable[str]) -> tuple[str, ...]:
    """Split lists such as ``blur,trail=2``; a part that is not a style belongs to the value before.

    Raises:
        ConfigError: a style is unknown, or the list is empty.
    """
    found: list[str] = []
    for text in texts:
        parts: list[str] = []
        for part in text.split(","):
            if parts and "=" in parts[-1] and part.partition("=")[0].strip() not in STYLES:
                parts[-1] += f",{part}"  # a file name may hold commas
            else:
                parts.append(part.strip())
        found += parts
    for text in found:
        style_kind(text)
    if not found:
        raise ConfigError(f"no style is given; choose from {', '.join(STYLES)}")
    return tuple(dict.fromkeys(found))
