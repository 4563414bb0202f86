"""COCO JSON and YouTube-VOS JSON of a video."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from persam_video.masks.labels import UNNAMED
from persam_video.masks.rle import encode_labels
from persam_video.results import FrameResult, ObjectResult
from persam_video.sinks.base import coco_box, finite_score
from persam_video.sinks.json_spool import SpooledSink, write_array
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind

_VIDEO_ID = 1
_FRAMES = "frames"
_ANNOTATIONS = "annotations"


class CocoSink(SpooledSink):
    """Writes one JSON file in COCO's form for object detection, with tracks.

    ``videos`` has the source, ``images`` one entry for each frame (``frame_index`` is its index in
    the source, ``time`` in seconds; ``file_name`` is the image's name within its folder, or for a
    video what the frame would be called as an image), and ``annotations`` one for each object that
    is visible in a frame: ``track_id`` is its id, ``segmentation`` a compressed run-length code,
    ``bbox`` is x, y, width, height. Categories are the names of the objects, and ``object`` for
    those that have ids only.

    The file appears when the sink is closed, unless no frame was written.
    """

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        """Prepare to write; see ``SpooledSink``."""
        super().__init__(path, info)
        self._annotations = 0
        self._categories = _Categories()

    def _note(self, frame: Frame, result: FrameResult) -> None:
        image_id = self._frames + 1
        height, width = result.labels.shape
        self._spool.append(
            _FRAMES,
            {
                "id": image_id,
                "video_id": _VIDEO_ID,
                "file_name": frame.name or _file_name(self._info, frame),
                "width": width,
                "height": height,
                "frame_index": int(result.index),
                "time": float(result.time),
            },
        )
        visible = [known for known in result.objects if known.box is not None]
        codes = encode_labels(result.labels, [known.object_id for known in visible])
        for known in visible:
            self._annotations += 1
            self._spool.append(
                _ANNOTATIONS,
                {
                    "id": self._annotations,
                    "image_id": image_id,
                    "video_id": _VIDEO_ID,
                    "category_id": self._categories.of(known),
                    "track_id": int(known.object_id),
                    "iscrowd": 0,
                    "area": int(known.area),
                    "bbox": coco_box(known.box),
                    "score": finite_score(known),
                    "segmentation": codes[known.object_id],
                },
            )

    def _assemble(self, file: IO[str], frames: int) -> None:
        _write_head(file, self._info, json.dumps(_video(self._info)))
        file.write(f'"categories": {self._categories.text()},\n"images": ')
        write_array(file, self._spool.lines(_FRAMES))
        file.write(',\n"annotations": ')
        write_array(file, self._spool.lines(_ANNOTATIONS))
        file.write("}\n")


class YouTubeVosSink(SpooledSink):
    """Writes one JSON file in the form of YouTube-VOS 2019 and YouTube-VIS.

    ``videos`` has the source, with a ``file_names`` entry for each frame, and ``annotations`` one
    entry for each object, whose ``id`` is the object's and whose category is its name. Its
    ``segmentations`` (compressed run-length codes), ``bboxes`` (x, y, width, height), ``areas`` and
    ``scores`` have one item for each frame, null where the object is not visible.

    The file appears when the sink is closed, unless no frame was written.
    """

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        """Prepare to write; see ``SpooledSink``."""
        super().__init__(path, info)
        self._category_of: dict[int, int] = {}
        self._categories = _Categories()

    def _note(self, frame: Frame, result: FrameResult) -> None:
        self._spool.append(_FRAMES, _file_name(self._info, frame))
        visible = [known for known in result.objects if known.box is not None]
        codes = encode_labels(result.labels, [known.object_id for known in visible])
        for known in result.objects:
            self._category_of[int(known.object_id)] = self._categories.of(known)
        for known in visible:
            self._spool.append(
                known.object_id,
                {
                    "position": self._frames,
                    "segmentations": codes[known.object_id],
                    "bboxes": coco_box(known.box),
                    "areas": int(known.area),
                    "scores": finite_score(known),
                },
            )

    def _assemble(self, file: IO[str], frames: int) -> None:
        size = {"width": self._info.width, "height": self._info.height, "length": frames}
        video = json.dumps({**_video(self._info), **size})
        _write_head(file, self._info, f'{video[:-1]}, "file_names": ', end="")
        write_array(file, self._spool.lines(_FRAMES))
        file.write(f'}}],\n"categories": {self._categories.text()},\n"annotations": [')
        for number, (object_id, category) in enumerate(sorted(self._category_of.items())):
            about = {"id": object_id, "video_id": _VIDEO_ID, "category_id": category, "iscrowd": 0}
            head = json.dumps({**about, **size})
            file.write(("," if number else "") + f"\n{head[:-1]}")
            for key in ("segmentations", "bboxes", "areas", "scores"):
                file.write(f', "{key}": ')
                write_array(file, self._column(object_id, key, frames))
            file.write("}")
        file.write("\n]}\n")

    def _column(self, object_id: int, key: str, length: int) -> Iterator[str]:
        """One value of an object for every frame, as JSON."""
        done = 0
        for entry in self._spool.values(object_id):
            yield from ["null"] * (entry["position"] - done)
            yield json.dumps(entry[key])
            done = entry["position"] + 1
        yield from ["null"] * (length - done)


class _Categories:
    """The names of objects as categories, numbered as they come."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def of(self, known: ObjectResult) -> int:
        """Return the id of an object's category."""
        return self._ids.setdefault(known.name or UNNAMED, len(self._ids) + 1)

    def text(self) -> str:
        """Return the list of categories as JSON; it has one in any case."""
        ids = self._ids or {UNNAMED: 1}
        return json.dumps([{"id": i, "name": name, "supercategory": ""} for name, i in ids.items()])


def _write_head(file: IO[str], info: SourceInfo, video: str, end: str = "],\n") -> None:
    """Start a document with its description and its only video.

    pycocotools 2.0.9 to 2.0.11 require ``info``.
    """
    about = {
        "description": f"Objects tracked in {info.name}",
        "version": "1.0",
        "contributor": f"persam-video {version('persam-video')}",
    }
    file.write(f'{{"info": {json.dumps(about)},\n"licenses": [],\n"videos": [{video}{end}')


def _video(info: SourceInfo) -> dict[str, Any]:
    return {
        "id": _VIDEO_ID,
        "name": info.name,
        "width": info.width,
        "height": info.height,
        "fps": None if info.fps is None else float(info.fps),
    }


def _file_name(info: SourceInfo, frame: Frame) -> str:
    """Name a frame as YouTube-VOS does, within the folder of its video."""
    video = info.name if info.kind is SourceKind.FOLDER else Path(info.name).stem
    return f"{video}/{frame.name or f'{frame.stem}.jpg'}"
