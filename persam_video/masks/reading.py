"""Reading annotations, from pictures and from the files of other programs.

Masks come from many programs. ``read_annotation`` accepts files that identify the objects without
ambiguity and rejects the rest, because a wrong guess becomes an object that nobody painted.
"""

from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation, annotation_of, check_mask_size
from persam_video.masks.arrays import MaskArray
from persam_video.masks.formats import is_folder, is_picture, open_annotations
from persam_video.masks.image import open_mask
from persam_video.masks.values import label_values
from persam_video.util.inputs import ProtectedInputs


@dataclass(frozen=True)
class MaskFile:
    """An annotation on disk.

    Attributes:
        path: of the file, archive or folder.
        frame: name or index of one of its frames, or the name of one of its videos.
    """

    path: Path
    frame: str | None = None

    @classmethod
    def of(cls, file: "str | Path | MaskFile") -> "MaskFile":
        """Return what a text names: ``FILE``, or ``FILE#FRAME`` where it is not all of a path."""
        if isinstance(file, MaskFile):
            return file
        path, mark, frame = str(file).rpartition("#")
        if mark and path and not _exists(Path(file)) and _exists(Path(path)):
            return cls(Path(path), frame)
        return cls(Path(file))

    @property
    def inputs(self) -> ProtectedInputs:
        """The files that reading it reads, which must not be written to."""
        if is_folder(self.path):
            return ProtectedInputs(trees=(self.path,))
        # the masks that meta.json is about lie beside it
        trees = (self.path.parent / "Annotations",) if self.path.name == "meta.json" else ()
        return ProtectedInputs((self.path,), trees=trees)

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path}#{self.frame}"


def read_annotation(
    path: str | Path | MaskFile, *, size: tuple[int, int] | None = None
) -> Annotation:
    """Read the annotation of a frame from an image, or from a file of a labelling program.

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

    Other files are told apart by their content:

    ============================  ================================================================
    file                          objects
    ============================  ================================================================
    labelme JSON                  polygons, rectangles, circles and masks; one object for each label
                                  and group, or for each shape without a group
    CVAT XML 1.1                  polygons, boxes, ellipses and masks: tracks, or shapes of images
                                  as with labelme
    COCO JSON                     annotations, or tracks where they have a ``track_id``: polygons,
                                  run-length codes of both kinds, boxes
    YouTube-VOS JSON              tracks; with ``meta.json``, the label maps in ``Annotations``
    VOC                           a folder with ``SegmentationObject`` and ``SegmentationClass``
    folder of PNGs                label maps of one video, or of several in folders, or masks of
                                  one object in each folder whose name is a number
    ZIP                           one of these, such as CVAT's "Segmentation mask 1.1"
    ============================  ================================================================

    Labels become ``names``, except ``object``. An object has the number of its track or group as
    its id where these tell all of them apart, and else its place in the file.

    Args:
        path: PNG, BMP, GIF, JPEG, PPM, TIFF or WebP image, or one of the above; ``FILE#FRAME``
            for one of its frames.
        size: height and width of the frame, checked if given.

    Raises:
        AnnotationError: the file cannot be read, has another size, has no object or more than 254,
            has several frames of which none is named, or has blended values along the edges, as
            antialiasing, smooth resizing and lossy compression leave them.
    """
    file = MaskFile.of(path)
    if not is_picture(file.path):
        with open_annotations(file.path) as found:
            return found.annotation(file.frame, size)
    if file.frame is not None:
        raise AnnotationError(f"{file.path}: is a picture of one frame; leave out #{file.frame}")
    image = open_mask(file.path)
    if size is not None:
        check_mask_size((image.height, image.width), size, str(file.path))
    return annotation_of(label_values(image, str(file.path)), str(file.path))


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
