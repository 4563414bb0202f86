"""The files of a source, which a command must not overwrite."""

from pathlib import Path

from persam_video.errors import SourceError
from persam_video.util.inputs import ProtectedInputs
from persam_video.video.image_decoder import IMAGE_SUFFIXES, find_images
from persam_video.video.source import SourceKind, locate


def source_inputs(source: str | Path | int) -> ProtectedInputs:
    """Return the files that a source is read from, to protect them from outputs.

    Empty for cameras, URLs and missing sources.
    """
    try:
        location = locate(source)
        if location.kind is SourceKind.FILE:
            return ProtectedInputs((Path(location.address),))
        if location.kind is SourceKind.FOLDER:
            folder = Path(location.address)
            return ProtectedInputs(tuple(find_images(location)), {folder: IMAGE_SUFFIXES})
        if location.kind is SourceKind.GLOB:
            return ProtectedInputs(tuple(find_images(location)), patterns=(location.address,))
    except SourceError:  # for those who open it to report
        pass
    return ProtectedInputs()
