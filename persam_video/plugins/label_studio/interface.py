"""What a project of Label Studio labels, and with which tools."""

from collections.abc import Iterator
from dataclasses import dataclass

from persam_video.errors import AnnotationError
from persam_video.masks.formats.xml import Element, parse_xml

_MASKS = ("BrushLabels", "PolygonLabels", "RectangleLabels")
"""Tools that can show a mask, the most exact first."""


@dataclass(frozen=True)
class Tool:
    """A tag of the labelling interface.

    Attributes:
        tag: such as ``BrushLabels``.
        name: as results call it.
    """

    tag: str
    name: str

    @property
    def kind(self) -> str:
        """What the type of its results is called."""
        return self.tag.lower()


@dataclass(frozen=True)
class Medium:
    """The picture or video that is labelled.

    Attributes:
        name: as results call it.
        key: of the address in the data of a task.
        masks: the tool that shows masks in it, where there is one.
        has_tracks: whether boxes are followed in it.
    """

    name: str
    key: str
    masks: Tool | None = None
    has_tracks: bool = False


def find_medium(config: str) -> Medium:
    """Return the first medium of a labelling interface that can be helped with.

    Args:
        config: the interface, as XML.

    Raises:
        AnnotationError: it is no such XML, or there is no such medium.
    """
    tags = list(_all(parse_xml(config.encode(), "the labelling interface")))
    for tag in tags:
        if tag.tag not in ("Image", "Video"):
            continue
        name, key = tag["name"], tag["value"].removeprefix("$")
        tools = [
            Tool(other.tag, other["name"])
            for other in tags
            if other.attributes.get("toName") == name
        ]
        if tag.tag == "Image":
            chosen = [tool for kind in _MASKS for tool in tools if tool.tag == kind]
            if chosen:
                return Medium(name, key, masks=chosen[0])
        elif any(tool.tag == "VideoRectangle" for tool in tools):
            return Medium(name, key, has_tracks=True)
    raise AnnotationError(
        "the labelling interface has nothing to help with: it needs an Image with BrushLabels, "
        "PolygonLabels or RectangleLabels, or a Video with VideoRectangle"
    )


def _all(element: Element) -> Iterator[Element]:
    yield element
    for child in element.children:
        yield from _all(child)
