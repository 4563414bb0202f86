"""Reading untrusted XML files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat  # nosec B406: document types, which declare entities, are rejected

from persam_video.errors import AnnotationError


@dataclass(frozen=True)
class Element:
    """An element of a document.

    Attributes:
        tag: its name.
        attributes: its attributes by name.
        place: file and line, for messages.
        children: its child elements.
        texts: its text, in pieces.
    """

    tag: str
    attributes: Mapping[str, str]
    place: str
    children: "list[Element]" = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        if name not in self.attributes:
            raise AnnotationError(f"{self.place}: <{self.tag}> has no attribute {name!r}")
        return self.attributes[name]

    def whole(self, name: str) -> int:
        """Return an attribute that must be a whole number, 0 or more.

        Raises:
            AnnotationError: it is missing or not such a number.
        """
        text = self[name]
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise AnnotationError(f"{self.place}: {name} is {text[:20]!r}; expected a whole number")
        return int(text)

    def find(self, *tags: str) -> "Iterator[Element]":
        """Yield the elements at a path below this one."""
        for child in self.children:
            if child.tag == tags[0]:
                yield from child.find(*tags[1:]) if tags[1:] else (child,)

    @property
    def text(self) -> str:
        """The text of the element, without surrounding white space."""
        return "".join(self.texts).strip()


def read_xml(path: Path) -> Element:
    """Return the root element of a file.

    Raises:
        AnnotationError: the file cannot be read, is not XML, or has a document type.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror or error})") from error
    return parse_xml(data, str(path))


def parse_xml(data: bytes, name: str) -> Element:
    """Return the root element of a document.

    Args:
        data: the document.
        name: what to call it in messages.

    Raises:
        AnnotationError: it is not XML, or has a document type.
    """
    parser = expat.ParserCreate()
    root = Element("", {}, name)
    opened = [root]

    def begin(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, f"{name}, line {parser.CurrentLineNumber}")
        opened[-1].children.append(element)
        opened.append(element)

    def characters(text: str) -> None:
        opened[-1].texts.append(text)

    def refuse(*_: object) -> NoReturn:
        raise AnnotationError(f"{name}: has a DOCTYPE, which annotations never need")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda tag: opened.pop()
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # or unknown encoding
        raise AnnotationError(f"{name}: is not valid XML ({error})") from error
    return root.children[0]
