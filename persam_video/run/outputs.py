"""Where a run leaves its results."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import DatasetError, OutputError
from persam_video.sinks import RunStatus, read_run
from persam_video.sinks.outputs import existing_files
from persam_video.util.atomic import output_error


@dataclass(frozen=True)
class OutputPaths:
    """Where a run leaves its results.

    Attributes:
        folder: the folder of the run.
    """

    folder: Path

    @property
    def masks(self) -> Path:
        """Folder of the indexed PNGs."""
        return self.folder / "masks"

    @property
    def overlay(self) -> Path:
        """The annotated video."""
        return self.folder / "overlay.mp4"

    @property
    def tracks(self) -> Path:
        """Boxes, areas, scores, states and run-length codes, a line for each frame."""
        return self.folder / "tracks.jsonl"

    @property
    def record(self) -> Path:
        """What the run was."""
        return self.folder / "run.json"

    @property
    def reference(self) -> Path:
        """The objects that boxes and points name, drawn over the first frame."""
        return self.folder / "reference.png"

    @property
    def state(self) -> Path:
        """The tracker's state while the run is not finished, to go on from."""
        return self.folder / "state.safetensors"

    @property
    def backward(self) -> Path:
        """What was tracked backwards, while the run is not finished."""
        return self.folder / "backward"

    @property
    def holds_results(self) -> bool:
        """Whether there is anything of a run."""
        return bool(self._files())

    @property
    def finished(self) -> bool:
        """Whether the folder holds a run that came to its end."""
        try:
            return read_run(self.record).status is RunStatus.FINISHED
        except DatasetError:  # none, or damaged
            return False

    def check(self) -> None:
        """Refuse what cannot be a folder.

        Raises:
            OutputError: it is a file.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file: give a folder for the output")

    def prepare(self, *, overwrite: bool) -> None:
        """Make the folder, and with ``overwrite`` remove what an earlier run left in it.

        Raises:
            OutputError: it cannot be a folder, or it holds a run already.
        """
        self.check()
        try:
            old = self._files()
            if old and not overwrite:
                raise OutputError(
                    f"{self.folder} holds an earlier run: pass --resume to go on with it, "
                    "--overwrite to replace it, or another folder"
                )
            for path in old:
                path.unlink()
            self.forget_progress()
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error

    def forget_progress(self) -> None:
        """Remove what only a run that goes on needs.

        Raises:
            OutputError: it cannot be removed.
        """
        try:
            self.state.unlink(missing_ok=True)
            if self.backward.is_dir():
                shutil.rmtree(self.backward)
        except OSError as error:
            raise output_error(self.folder, error) from error

    def _files(self) -> list[Path]:
        own = [path for path in (self.record, self.reference, self.state) if path.exists()]
        return own + existing_files(self.folder)
