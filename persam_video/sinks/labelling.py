"""Polygons for labelling programs: labelme and CVAT."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from persam_video.masks.labels import UNNAMED
from persam_video.masks.polygons import part_polygons, polygon
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.sinks.json_spool import SpooledSink
from persam_video.util.atomic import atomic_path, make_folder, write_bytes
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo

_TOLERANCE = 0.75  # pixels; an outline along every pixel has too many points to edit by hand
_JPEG_QUALITY = 95


class LabelmeSink(Sink):
    """Writes ``folder/NAME.json`` for labelme, and the frame beside it as ``NAME.jpg``.

    A shape is one connected part of an object, labelled with the object's name, or ``object`` where
    it has none; ``group_id`` is the object's id. Polygons have
    fewer points than the mask's edge and stay within a pixel of it. Names are those of
    ``MaskPngSink``. Each file appears whole or not at all.
    """

    def __init__(self, folder: str | Path, tolerance: float = _TOLERANCE) -> None:
        """Create the folder.

        Args:
            folder: where to write.
            tolerance: how far, in pixels, the outline may leave the mask's edge.

        Raises:
            OutputError: the folder cannot be created.
        """
        self._folder = make_folder(Path(folder))
        self._tolerance = tolerance

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write picture and polygons of one frame.

        Raises:
            OutputError: a file cannot be written.
        """
        picture = self._folder / f"{frame.stem}.jpg"
        with atomic_path(picture) as sibling:
            Image.fromarray(frame.rgb).save(sibling, format="JPEG", quality=_JPEG_QUALITY)
        height, width = result.labels.shape
        document = {
            "version": "5.5.0",
            "flags": {},
            "shapes": list(self._shapes(result)),
            "imagePath": picture.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_bytes(picture.with_suffix(".json"), json.dumps(document, indent=1).encode())

    def _shapes(self, result: FrameResult) -> Iterator[dict[str, Any]]:
        for known in result.objects:
            for points in part_polygons(result.mask(known.object_id), self._tolerance):
                yield {
                    "label": known.name or UNNAMED,
                    "points": points.tolist(),
                    "group_id": int(known.object_id),
                    "description": "",
                    "shape_type": "polygon",
                    "flags": {},
                    "mask": None,
                }

    def close(self) -> None:
        """Do nothing: every file is finished when it is written."""


class CvatSink(SpooledSink):
    """Writes one XML file in the form "CVAT for video 1.1", a polygon track for each object.

    Frames are numbered as in the source, so that the file goes with a task made of that video,
    which needs labels of these names: those of the objects, or ``object``. An object is one
    polygon, whose parts and holes are joined by cuts without width. While it is lost, its track is
    outside.

    The file appears when the sink is closed, unless no frame was written.
    """

    def __init__(
        self, path: str | Path, info: SourceInfo, stride: int = 1, tolerance: float = _TOLERANCE
    ) -> None:
        """Prepare to write.

        Args:
            path: the file.
            info: facts about the source of the frames.
            stride: distance between the frames that are written, in frames of the source.
            tolerance: how far, in pixels, the outline may leave the mask's edge.

        Raises:
            OutputError: the file cannot be written there.
        """
        super().__init__(path, info)
        self._stride = stride
        self._tolerance = tolerance
        self._labels: dict[int, str] = {}
        self._last = -1

    def _note(self, frame: Frame, result: FrameResult) -> None:
        self._last = int(result.index)
        for known in result.objects:
            if known.box is not None:
                points = polygon(result.mask(known.object_id), self._tolerance).tolist()
                self._labels[int(known.object_id)] = known.name or UNNAMED
                self._spool.append(int(known.object_id), [self._last, points])

    def _assemble(self, file: IO[str], frames: int) -> None:
        labels = "".join(
            f"<label><name>{escape(label)}</name></label>"
            for label in dict.fromkeys(self._labels.values())
        )
        size = max(self._info.frame_count or 0, self._last + 1)
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n'
            "<version>1.1</version>\n<meta><task>"
            f"<size>{size}</size><mode>interpolation</mode>"
            f"<labels>{labels}</labels>"
            f"<original_size><width>{self._info.width}</width>"
            f"<height>{self._info.height}</height></original_size>"
            "</task></meta>\n"
        )
        for object_id, label in sorted(self._labels.items()):
            file.write(f'<track id="{object_id}" label={quoteattr(label)} source="automatic">\n')
            self._write_track(file, self._spool.values(object_id), size)
            file.write("</track>\n")
        file.write("</annotations>\n")

    def _write_track(self, file: IO[str], shapes: Iterator[Any], size: int) -> None:
        index, points = -1, None
        for at, now in shapes:
            if points is not None and at > index + self._stride:
                _write_shape(file, index + self._stride, points, outside=True)
            _write_shape(file, at, now, outside=False)
            index, points = at, now
        if points is not None and index + self._stride < size:
            _write_shape(file, index + self._stride, points, outside=True)


def _write_shape(
    file: IO[str], index: int, points: list[tuple[float, float]], *, outside: bool
) -> None:
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    file.write(
        f'<polygon frame="{index}" outside="{int(outside)}" occluded="0" keyframe="1" '
        f'points="{text}" z_order="0"></polygon>\n'
    )
