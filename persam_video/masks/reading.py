"""Reading annotations, from pictures and from the files of other programs.

Masks come from many programs. ``read_annotation`` accepts files that identify the objects without
ambiguity and rejects the rest, because a wrong guess becomes an object that nobody painted.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation, annotation_of, check_mask_size
from persam_video.masks.arrays import MaskArray
from persam_video.masks.formats import is_folder, is_picture, open_annotations
from persam_video.masks.image import open_mask
from persam_video.masks.values import label_values
from persam_video.util.inputs import ProtectedInputs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskFile:
    """An annotation on disk.

    Attributes:
        path: path of the file, archive or folder.
        frame: name or index of one of its frames, or name of one of its videos.
    """

    path: Path
    frame: str | None = None

    @classmethod
    def of(cls, file: "str | Path | MaskFile") -> "MaskFile":
        """Parse ``FILE`` or ``FILE#FRAME``; an existing path is never split."""
        if isinstance(file, MaskFile):
            return file
        path, mark, frame = str(file).rpartition("#")
        if mark and path and not _exists(Path(file)) and _exists(Path(path)):
            return cls(Path(path), frame)
        return cls(Path(file))

    @property
    def inputs(self) -> ProtectedInputs:
        """The files that are read with it, which must not be written to."""
        if is_folder(self.path):
            return ProtectedInputs(trees=(self.path,))
        # the masks that meta.json describes lie beside it
        trees = (self.path.parent / "Annotations",) if self.path.name == "meta.json" else ()
        return ProtectedInputs((self.path,), trees=trees)

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path}#{self.frame}"


def read_annotation(
    path: str | Path | MaskFile,
    *,
    size: tuple[int, int] | None = None,
    image: Path | None = None,
) -> Annotation:
    """Read the annotation of a frame from an image or from a file of a labelling program.

    ============================  ================================================================
    file                          objects
    ============================  ================================================================
    indexed                       the palette indices are the ids
    1-bit                         white is object 1
    grey, 2 to 16 bits            the stored values are the ids; 16-bit values may be the 8-bit ones
                                  scaled up (by 257)
    RGB in palette colours        the index of the colour in the DAVIS palette; any other grey is
                                  the id of its value
    RGB with any other colour     1, 2, ... in the order of the palette carried on to 24 bits:
                                  red, green, yellow, blue, magenta, cyan, white
    with alpha                    as without; what is fully transparent is background
    ============================  ================================================================

    The value 255 is void where there are other labels; where it is the only one, it is object 1.

    Other files are identified by their content:

    ============================  ================================================================
    file                          objects
    ============================  ================================================================
    labelme JSON                  one per label and group, or per shape without a group: polygons,
                                  rectangles, circles and masks
    CVAT XML 1.1                  one per track, or for images as in labelme: polygons, boxes,
                                  ellipses and masks
    COCO JSON                     one per annotation, or per ``track_id``: polygons, boxes and
                                  run-length codes
    YouTube-VOS JSON              one per track; with ``meta.json``, per value of the label maps in
                                  ``Annotations``
    VOC folder                    one per value in ``SegmentationObject``, or per class
    folder of PNGs                one per value of the label maps, or per subfolder whose name is a
                                  number; subfolders of other names are videos
    ZIP                           as in the file or folder that it contains, such as CVAT's
                                  "Segmentation mask 1.1"
    ============================  ================================================================

    Labels become ``names``, except ``object``. The id of an object is the number of its track or
    group if these are unique and in the range 1 to 254; otherwise, objects are numbered from 1.

    Args:
        path: PNG, BMP, GIF, JPEG, PPM, TIFF or WebP image, or one of the above; ``FILE#FRAME``
            selects one of several frames.
        size: height and width of the frame, checked if given.
        image: file of the frame; its name selects one of several frames if none is selected.

    Raises:
        AnnotationError: the file cannot be read, has another size, has no object or more than 254,
            has several frames of which none is selected, or has blended values along the edges, as
            antialiasing, smooth resizing and lossy compression leave them.
    """
    file = MaskFile.of(path)
    if not is_picture(file.path):
        with open_annotations(file.path) as found:
            frame = file.frame
            if frame is None and image is not None and len(found.frames) > 1:
                frame = image.stem
            drawn = found.annotation(frame, size)
        for warning in drawn.warnings:
            _log.warning("%s", warning)
        return drawn.annotation
    if file.frame is not None:
        raise AnnotationError(f"{file.path}: is an image of one frame; omit #{file.frame}")
    picture = open_mask(file.path)
    if size is not None:
        check_mask_size((picture.height, picture.width), size, str(file.path))
    return annotation_of(label_values(picture, str(file.path)), str(file.path))


def load_annotation(
    mask: str | Path | MaskFile | MaskArray | Annotation, size: tuple[int, int] | None = None
) -> Annotation:
    """Return an annotation from a path, a mask in memory or an annotation.

    Args:
        mask: what ``read_annotation`` or ``Annotation.from_labels`` takes, or the result.
        size: height and width of the frame, checked if given.

    Raises:
        AnnotationError: the mask cannot be used, or has another size.
    """
    if isinstance(mask, (str, Path, MaskFile)):
        return read_annotation(mask, size=size)
    annotation = mask if isinstance(mask, Annotation) else Annotation.from_labels(mask)
    if size is not None:
        check_mask_size(annotation.size, size, "the mask")
    return annotation


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no path at all
        return False
