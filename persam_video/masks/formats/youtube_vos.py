"""YouTube-VOS: tracks of videos in a JSON file, or PNGs with ``meta.json``."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from persam_video.errors import AnnotationError
from persam_video.masks.formats.annotated import AnnotationFile, MarkedFrame, Shape
from persam_video.masks.formats.coco import category_name, category_names, segmentation_shape
from persam_video.masks.formats.label_images import label_frame
from persam_video.masks.formats.values import Value


def is_youtube_vos(document: Value) -> bool:
    """Return whether a JSON document lists videos, as YouTube-VOS and YouTube-VIS do."""
    return isinstance(document.value, dict) and "videos" in document.value


def read_youtube_vos(path: Path, file: Path, document: Value) -> AnnotationFile:
    """Read the videos of a file.

    Args:
        path: path of the file, or of the archive or folder that contains it.
        file: the file.
        document: its content: tracks of run-length codes, or the objects of ``meta.json``, whose
            masks are in ``Annotations/VIDEO`` beside it.

    Raises:
        AnnotationError: the file is damaged.
    """
    if isinstance(document["videos"].value, dict):
        frames = [frame for video in document["videos"].items() for frame in _of_meta(file, *video)]
    else:
        frames = list(_of_tracks(document))
    return AnnotationFile(path, frames, tracked=True)


def _of_meta(file: Path, name: str, video: Value) -> Iterator[MarkedFrame]:
    """Yield the frames of one video of ``meta.json``."""
    names = {}
    for key, known in video["objects"].items():
        if not key.isdecimal():
            known.refuse("is not an object, whose key is a number")
        names[int(key)] = known["category"].text
    if PurePosixPath(name).name != name or name in ("", ".", ".."):
        raise AnnotationError(f"{video.place}: cannot be the name of a folder")
    for picture in sorted((file.parent / "Annotations" / name).glob("*.png")):
        yield label_frame(picture, names, name=f"{name}/{picture.name}")


def _of_tracks(document: Value) -> Iterator[MarkedFrame]:
    """Yield the frames of all videos of a file with tracks."""
    names = category_names(document)
    tracks: dict[int, list[tuple[Value, list[Value]]]] = {}
    for annotation in document["annotations"]:
        codes = list(annotation["segmentations"])
        tracks.setdefault(annotation["video_id"].whole, []).append((annotation, codes))
    for video in document["videos"]:
        size = (video["height"].whole, video["width"].whole)
        known = tracks.get(video["id"].whole, [])
        files = list(video["file_names"])
        for annotation, codes in known:
            if len(codes) != len(files):
                annotation.refuse(f"has {len(codes)} segmentations for {len(files)} frames")
        for position, file in enumerate(files):
            here = [(about, codes[position]) for about, codes in known if codes[position].value]
            if here:
                yield MarkedFrame(
                    lambda here=here: [  # type: ignore[misc]
                        Shape(
                            category_name(about, names), segmentation_shape(code), about["id"].whole
                        )
                        for about, code in here
                    ],
                    name=file.text,
                    size=size,
                )
