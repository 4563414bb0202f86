"""COCO JSON and YouTube-VOS JSON of a video."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from persam_video.masks.rle import encode_labels
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink, coco_box, finite_score
from persam_video.sinks.parts import Parts, write_array
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind

_VIDEO_ID = 1
_CATEGORIES = [{"id": 1, "name": "object", "supercategory": ""}]
_FRAMES = "frames"
_ANNOTATIONS = "annotations"


class CocoSink(Sink):
    """Writes one JSON file in COCO's form for object detection, with tracks.

    ``videos`` has the source, ``images`` one entry for each frame (``frame_index`` is its index in
    the source, ``time`` in seconds; ``file_name`` is the image's name within its folder, or for a
    video what the frame would be called as an image), and ``annotations`` one for each object that
    is visible in a frame: ``track_id`` is its id, ``segmentation`` a compressed run-length code,
    ``bbox`` is x, y, width, height. There is one category, as the objects have ids but no
    classes.

    The file appears when the sink is closed; without a frame there is none.
    """

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        """Prepare to write.

        Raises:
            OutputError: the file cannot be written there.
        """
        self._parts = Parts(Path(path))
        self._info = info
        self._images = 0
        self._annotations = 0

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Note the objects of one frame.

        Raises:
            OutputError: they cannot be written.
        """
        self._images += 1
        height, width = result.labels.shape
        self._parts.append(
            _FRAMES,
            {
                "id": self._images,
                "video_id": _VIDEO_ID,
                "file_name": frame.name or _file_name(self._info, frame),
                "width": width,
                "height": height,
                "frame_index": int(result.index),
                "time": float(result.time),
            },
        )
        visible = [each for each in result.objects if each.box is not None]
        codes = encode_labels(result.labels, [each.object_id for each in visible])
        for each in visible:
            self._annotations += 1
            self._parts.append(
                _ANNOTATIONS,
                {
                    "id": self._annotations,
                    "image_id": self._images,
                    "video_id": _VIDEO_ID,
                    "category_id": 1,
                    "track_id": int(each.object_id),
                    "iscrowd": 0,
                    "area": int(each.area),
                    "bbox": coco_box(each.box),
                    "score": finite_score(each),
                    "segmentation": codes[each.object_id],
                },
            )

    def close(self) -> None:
        """Write the file; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        images, self._images = self._images, 0
        with self._parts as parts:
            if not images:
                return
            video = _video(self._info)
            with parts.assembled() as file:
                file.write(f'{{"videos": [{json.dumps(video)}],\n')
                file.write(f'"categories": {json.dumps(_CATEGORIES)},\n"images": ')
                write_array(file, parts.lines(_FRAMES))
                file.write(',\n"annotations": ')
                write_array(file, parts.lines(_ANNOTATIONS))
                file.write("}\n")


class YouTubeVosSink(Sink):
    """Writes one JSON file in the form of YouTube-VOS 2019 and YouTube-VIS.

    ``videos`` has the source, with a ``file_names`` entry for each frame, and ``annotations`` one
    entry for each object, whose ``id`` is the object's. Its ``segmentations`` (compressed
    run-length codes), ``bboxes`` (x, y, width, height), ``areas`` and ``scores`` have one item for
    each frame, null where the object is not visible.

    The file appears when the sink is closed; without a frame there is none.
    """

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        """Prepare to write.

        Raises:
            OutputError: the file cannot be written there.
        """
        self._parts = Parts(Path(path))
        self._info = info
        self._length = 0
        self._ids: set[int] = set()

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Note the objects of one frame.

        Raises:
            OutputError: they cannot be written.
        """
        self._parts.append(_FRAMES, _file_name(self._info, frame))
        visible = [each for each in result.objects if each.box is not None]
        codes = encode_labels(result.labels, [each.object_id for each in visible])
        self._ids |= {each.object_id for each in result.objects}
        for each in visible:
            self._parts.append(
                each.object_id,
                {
                    "position": self._length,
                    "segmentations": codes[each.object_id],
                    "bboxes": coco_box(each.box),
                    "areas": int(each.area),
                    "scores": finite_score(each),
                },
            )
        self._length += 1

    def close(self) -> None:
        """Write the file; a second call does nothing.

        Raises:
            OutputError: the file cannot be written.
        """
        length, self._length = self._length, 0
        with self._parts as parts:
            if not length:
                return
            size = {"width": self._info.width, "height": self._info.height, "length": length}
            with parts.assembled() as file:
                video = json.dumps({**_video(self._info), **size})
                file.write(f'{{"videos": [{video[:-1]}, "file_names": ')
                write_array(file, parts.lines(_FRAMES))
                file.write(f'}}],\n"categories": {json.dumps(_CATEGORIES)},\n"annotations": [')
                for number, object_id in enumerate(sorted(self._ids)):
                    about = {"id": object_id, "video_id": _VIDEO_ID, "category_id": 1, "iscrowd": 0}
                    head = json.dumps({**about, **size})
                    file.write(("," if number else "") + f"\n{head[:-1]}")
                    for key in ("segmentations", "bboxes", "areas", "scores"):
                        file.write(f', "{key}": ')
                        write_array(file, self._column(parts, object_id, key, length))
                    file.write("}")
                file.write("\n]}\n")

    @staticmethod
    def _column(parts: Parts, object_id: int, key: str, length: int) -> Iterator[str]:
        """One value of an object for every frame, as JSON."""
        done = 0
        for entry in parts.values(object_id):
            yield from ["null"] * (entry["position"] - done)
            yield json.dumps(entry[key])
            done = entry["position"] + 1
        yield from ["null"] * (length - done)


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
