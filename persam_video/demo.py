"""The demonstration: a synthetic clip with exact truth, tracked and scored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from persam_video.config import Settings, load_settings
from persam_video.davis.scores import SequenceScore, score_masks
from persam_video.masks.png import read_label_png
from persam_video.run import OutputPaths, Progress, track_to_folder
from persam_video.sinks import RunRecord, RunStatus
from persam_video.synthetic import SyntheticFiles, demo


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made and measured.

    Attributes:
        clip: the synthetic clip, its first mask and its truth.
        outputs: what tracking wrote.
        record: the record of the run.
        score: J and F of each object over all frames but the annotated one.
    """

    clip: SyntheticFiles
    outputs: OutputPaths
    record: RunRecord
    score: SequenceScore


def run_demo(
    out: str | Path,
    *,
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> DemoResult:
    """Make a clip, track it from its first mask, and score the masks against its truth.

    Args:
        out: folder for the clip (``clip/``) and for the run (``run/``); an earlier demonstration in
            it is replaced.
        settings: the preset ``persam`` when not given.
        on_progress: called after every tracked frame.

    Raises:
        PersamVideoError: the folder cannot be written.
        KeyboardInterrupt: the run was interrupted; what it wrote is kept.
    """
    folder = Path(out)
    clip = demo().write(folder / "clip")
    outputs = OutputPaths(folder / "run")
    record = track_to_folder(
        clip.video,
        clip.first_mask,
        outputs.folder,
        settings=settings or load_settings(),
        overwrite=True,
        on_progress=on_progress,
    )
    if record.status is RunStatus.INTERRUPTED:
        raise KeyboardInterrupt  # there is nothing whole to score
    # the first frame is given, so it does not count
    frames = sorted(clip.truth.glob("*.png"))[1:]
    score = score_masks(
        (read_label_png(frame) for frame in frames),
        (read_label_png(outputs.masks / frame.name) for frame in frames),
        name="demo",
    )
    return DemoResult(clip, outputs, record, score)
