"""One indexed PNG per frame."""

from pathlib import Path

from persam_video.masks.png import write_label_png
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.util.atomic import make_folder
from persam_video.video.frame import Frame


class MaskPngSink(Sink):
    """Writes the label map of each frame to ``folder/NAME.png``.

    The name is that of the frame's image, or, in a video, the index of the frame in five digits or
    as many more as it needs (see ``Frame.stem``). The pixel values are the object ids and the
    palette is that of DAVIS. Existing files are replaced; each appears whole or not at all.
    """

    def __init__(self, folder: str | Path) -> None:
        """Create the folder.

        Raises:
            OutputError: the folder cannot be created.
        """
        self._folder = make_folder(Path(folder))

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the mask of one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        write_label_png(self._folder / f"{frame.stem}.png", result.labels)

    def close(self) -> None:
        """Do nothing: every file is finished when it is written."""
