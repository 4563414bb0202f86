"""Shots cut hard, A B A: the object is lost in the second, and found again in the third."""

import numpy as np
import pytest

from persam_video.config import load_settings
from persam_video.masks import read_annotation
from persam_video.results import ObjectState
from persam_video.run import track_to_folder
from persam_video.sam.build import load_model
from persam_video.sinks import read_tracks
from persam_video.tracking.tracker import Tracker
from persam_video.video import FrameStream, VideoWriter

LENGTH = 4


def settings(*, detect):
    return load_settings(
        "persam", {"model.image_size": 384, "model.device": "cpu", "cuts.detect": detect}
    )


@pytest.fixture(scope="module")
def loaded():
    return load_model(settings(detect=True))


@pytest.fixture(scope="module")
def shots(shared_data):
    """Give a swan, a car, and the swan again."""
    folder = shared_data / "davis" / "JPEGImages" / "480p"
    with (
        FrameStream(folder / "blackswan", stop=2 * LENGTH) as swan,
        FrameStream(folder / "car-shadow", stop=LENGTH) as car,
    ):
        birds = [frame.rgb for frame in swan]
        return [*birds[:LENGTH], *(frame.rgb for frame in car), *birds[LENGTH:]]


@pytest.fixture(scope="module")
def annotation(shared_data):
    return read_annotation(shared_data / "davis/Annotations/480p/blackswan/00000.png")


def tracked(tracker, shots, annotation):
    first, *others = shots
    return [tracker.step(first, annotation), *map(tracker.step, others)]


def states(results):
    return "".join("T" if r.objects[0].state is ObjectState.TRACKED else "-" for r in results)


def test_an_object_is_lost_at_a_cut_and_found_again(shots, annotation, loaded):
    results = tracked(Tracker(loaded, settings(detect=True)), shots, annotation)
    assert [r.index for r in results if r.cut] == [LENGTH, 2 * LENGTH]
    # it is believed to be back when it was seen in two frames
    assert states(results) == "TTTT-----TTT"
    before, after = results[LENGTH - 1].mask(1), results[-1].mask(1)
    assert after.sum() == pytest.approx(before.sum(), rel=0.15)


def test_the_detector_can_be_switched_off(shots, annotation, loaded):
    around = shots[LENGTH - 1 : LENGTH + 1]
    results = tracked(Tracker(loaded, settings(detect=False)), around, annotation)
    assert not any(r.cut for r in results)


def test_a_restored_tracker_sees_the_cut_that_the_first_one_would_have(shots, annotation, loaded):
    first = Tracker(loaded, settings(detect=True))
    tracked(first, shots[:LENGTH], annotation)
    second = Tracker(loaded, settings(detect=True))
    second.restore(first.state())
    one, other = first.step(shots[LENGTH]), second.step(shots[LENGTH])
    assert one.cut
    assert other.cut
    assert np.array_equal(one.labels, other.labels)


def test_cuts_are_in_the_lines_of_a_run_that_was_interrupted_as_well(
    shots, annotation, loaded, tmp_path
):
    height, width = shots[0].shape[:2]
    with VideoWriter(tmp_path / "shots.mp4", size=(width, height), fps=25) as writer:
        for index, rgb in enumerate(shots):
            writer.write(rgb, index / 25)

    def stop(progress):
        if progress.done == LENGTH:
            raise KeyboardInterrupt

    options = {"model": loaded, "settings": settings(detect=True), "outputs": ()}
    for extra in ({"on_progress": stop, "snapshot_seconds": 0}, {"resume": True}):
        track_to_folder(tmp_path / "shots.mp4", annotation, tmp_path / "run", **options, **extra)
    records = list(read_tracks(tmp_path / "run" / "tracks.jsonl"))
    assert [record.frame for record in records if record.cut] == [LENGTH, 2 * LENGTH]
    assert states(record.result((height, width)) for record in records) == "TTTT-----TTT"
    assert '"cut"' not in (tmp_path / "run" / "tracks.jsonl").read_text().splitlines()[0]
