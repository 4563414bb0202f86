"""Where a run leaves its results."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from persam_video.errors import DatasetError, OutputError
from persam_video.sinks import RunRecord, RunStatus, read_run, write_run
from persam_video.sinks.outputs import Output, existing_files, place_of
from persam_video.util.atomic import check_writable, make_folder, writing
from persam_video.util.inputs import OutputFolder, ProtectedInputs


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
        """Boxes, areas, scores, states and run-length codes, one line per frame."""
        return self.folder / "tracks.jsonl"

    @property
    def record(self) -> Path:
        """The record of the run."""
        return self.folder / "run.json"

    @property
    def prompt_picture(self) -> Path:
        """A picture of the masks made from boxes and points, drawn over the first frame."""
        return self.folder / "reference.png"

    @property
    def state(self) -> Path:
        """The tracker's state while the run is unfinished, from which to continue."""
        return self.folder / "state.safetensors"

    @property
    def backward(self) -> Path:
        """The backward pass's results, while the run is unfinished."""
        return self.folder / "backward"

    @property
    def finished(self) -> bool:
        """Whether the folder holds a finished run."""
        run = self.earlier_run
        return run is not None and run.status is RunStatus.FINISHED

    def check(self, inputs: ProtectedInputs) -> None:
        """Check that the path can be a folder, and that outputs would not overwrite inputs.

        Raises:
            OutputError: it is a file, or an input is where outputs of any kind go.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file: give a folder for the output")
        files = [self.record, self.prompt_picture, self.state]
        folders = [OutputFolder(self.backward, recursive=True)]
        for output in Output:
            place, suffixes = place_of(output, self.folder), output.kind.folder_suffixes
            files.append(place)
            if suffixes:
                folders.append(OutputFolder(place, suffixes))
        inputs.check(files, folders)

    def check_owned(self) -> None:
        """Check that no files of unknown origin are where results go.

        Raises:
            OutputError: there are files that no run's record accounts for.
        """
        present = self._files()
        if present and self.earlier_run is None:
            found = self.record if self.record.exists() else present[0]
            why = "is not the record of a run" if found == self.record else "is of no run"
            raise OutputError(
                f"{found}: {why}, and would be replaced: choose another folder, or move it away"
            )

    def prepare(self, *, overwrite: bool) -> None:
        """Create the folder; with ``overwrite``, remove an earlier run's files from it.

        Raises:
            OutputError: it already holds a run, or files of unknown origin where results go.
        """
        self.check_owned()
        earlier = self.earlier_run
        if earlier is not None:
            if not overwrite:
                raise OutputError(
                    f"{self.folder} holds an earlier run: pass --resume to continue it, "
                    "--overwrite to replace it, or another folder"
                )
            for folder in {path.parent for path in self._files()}:
                check_writable(folder)  # before anything is lost
            # until the new record is there: nobody is to take what is left for a finished run
            write_run(self.record, replace(earlier, status=RunStatus.INTERRUPTED, frames_done=0))
            with writing(self.folder):
                for path in self._files():
                    if path != self.record:
                        path.unlink()
            self.forget_progress()
        make_folder(self.folder)

    @property
    def earlier_run(self) -> RunRecord | None:
        """The run that the folder holds, if its record says so.

        Raises:
            DatasetError: the record may not be read.
        """
        try:
            record = read_run(self.record)
        except DatasetError as error:
            if isinstance(error.__cause__, PermissionError):
                raise  # there may well be one
            return None  # none, or damaged
        # a benchmark's record is one of many videos
        return record if "width" in record.source else None

    def forget_progress(self) -> None:
        """Remove what only an unfinished run needs.

        Raises:
            OutputError: it cannot be removed.
        """
        with writing(self.folder):
            self.state.unlink(missing_ok=True)
            if self.backward.is_dir():
                shutil.rmtree(self.backward)

    def _files(self) -> list[Path]:
        own = [path for path in (self.record, self.prompt_picture, self.state) if path.exists()]
        return own + existing_files(self.folder)
