"""Objects that photos name: looked for in every frame, then tracked."""

from itertools import islice

import numpy as np
import pytest

from persam_video.config import load_settings
from persam_video.errors import ConfigError
from persam_video.images import OneShotSegmenter, Reference
from persam_video.masks import write_label_png
from persam_video.run import track, track_to_folder
from persam_video.run.seeker import SeekingTracker
from persam_video.sam import load_sam
from persam_video.synthetic import demo
from persam_video.tracking import ObjectState, Tracker


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", device="cpu", precision="fp32", image_size=512)


@pytest.fixture(scope="module")
def pond():
    """Frames of the demonstration; the last one serves as the photo."""
    return list(islice(demo().frames(), 9))


@pytest.fixture
def seeker(model, pond):
    rgb, labels = pond[-1]
    photo = Reference(rgb, np.where(labels == 1, 7, 0).astype(np.uint8))
    segmenter = OneShotSegmenter(model, [photo], load_settings("images"))
    return SeekingTracker(Tracker(model, load_settings()), segmenter)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def test_an_object_is_lost_until_it_shows_and_then_tracked(seeker, pond):
    empty = np.full_like(pond[0][0], 90)
    result = seeker.step(empty)
    assert not result.labels.any()
    assert [(o.object_id, o.state, o.box) for o in result.objects] == [(7, ObjectState.LOST, None)]
    for rgb, truth in pond[:3]:
        result = seeker.step(rgb)
        assert result.objects[0].state is ObjectState.TRACKED
        assert iou(result.mask(7), truth == 1) > 0.7
    assert seeker.object_ids == (7,)


def test_what_an_annotation_marks_keeps_its_pixels(seeker, pond):
    rgb, truth = pond[0]
    result = seeker.step(rgb, np.where(truth == 2, 2, 0).astype(np.uint8))
    assert np.array_equal(result.mask(2), truth == 2)
    assert [o.object_id for o in result.objects] == [2, 7]
    assert iou(result.mask(7), truth == 1) > 0.7


def test_photos_take_the_place_of_a_mask_in_a_run(run_files, model):
    video, photos = run_files
    results = list(track(video, {}, model=model, photos=photos))
    assert [o.object_id for o in results[0].objects] == [1]
    assert results[-1].objects[0].state is ObjectState.TRACKED
    with pytest.raises(ConfigError, match="upstream"):
        track(video, {}, model=model, photos=photos, settings=load_settings("upstream"))


@pytest.fixture
def run_files(pond, tmp_path):
    """A folder of three frames, and one photo with its mask."""
    from PIL import Image

    from persam_video.images import ReferenceFiles

    (tmp_path / "frames").mkdir()
    for number, (rgb, _) in enumerate(pond[:3]):
        Image.fromarray(rgb).save(tmp_path / f"frames/{number}.png")
    rgb, labels = pond[-1]
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    write_label_png(tmp_path / "mask.png", np.where(labels == 1, 1, 0).astype(np.uint8))
    return tmp_path / "frames", [ReferenceFiles(tmp_path / "photo.png", tmp_path / "mask.png")]


def test_a_run_that_was_cut_off_goes_on_with_what_was_found(run_files, model, tmp_path):
    video, photos = run_files

    def run(out, **options):
        options = {"photos": photos, "model": model, "snapshot_seconds": 0, "outputs": ()} | options
        return track_to_folder(video, None, tmp_path / out, **options)

    def stop(progress):
        if progress.done == 2:
            raise OSError

    run("whole")
    with pytest.raises(OSError):
        run("out", on_progress=stop)
    record = run("out", resume=True)
    assert (record.resumed_at, record.warnings) == ([2], [])
    assert (tmp_path / "out/tracks.jsonl").read_bytes() == (
        tmp_path / "whole/tracks.jsonl"
    ).read_bytes()
