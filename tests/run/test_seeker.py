"""Objects that photos name: looked for in every frame, then tracked."""

import json
from itertools import islice

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as pycocotools

from eval.common import iou
from persam_video.config import load_settings
from persam_video.errors import AnnotationError, ConfigError
from persam_video.images import OneShotSegmenter, Reference, ReferenceFiles
from persam_video.images.reference_files import read_references
from persam_video.masks import MaskFile, write_label_png
from persam_video.run import track, track_to_folder
from persam_video.run.seeker import SeekingTracker, photo_segmenter
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


@pytest.fixture
def coco(pond, tmp_path):
    """A file of COCO with two photos of fish and leaf, listed in another order in each."""
    objects = {"fish": 1, "leaf": 3}
    images, marks = [], []
    for number, index in enumerate((4, 8)):
        rgb, labels = pond[index]
        Image.fromarray(rgb).save(tmp_path / f"{index}.jpg", quality=95)
        height, width = labels.shape
        images.append({"id": number, "file_name": f"{index}.jpg", "height": height, "width": width})
        for name in sorted(objects, reverse=bool(number)):
            code = pycocotools.encode(np.asfortranarray(labels == objects[name]))
            code["counts"] = code["counts"].decode()
            category = list(objects).index(name)
            marks.append({"image_id": number, "category_id": category, "segmentation": code})
    categories = [{"id": n, "name": name} for n, name in enumerate(objects)]
    marks = [{"id": n, **mark} for n, mark in enumerate(marks)]
    document = {"images": images, "annotations": marks, "categories": categories}
    (tmp_path / "photos.json").write_text(json.dumps(document))
    return tmp_path / "photos.json"


def test_names_of_a_labelling_program_are_the_same_objects_in_all_photos(
    run_files, coco, pond, model
):
    photos = [ReferenceFiles(coco.parent / name, coco) for name in ("4.jpg", "8.jpg")]
    chosen = ReferenceFiles(coco.parent / "4.jpg", MaskFile(coco, "4.jpg"))
    first, other = (read_references(chosen_photos) for chosen_photos in (photos, [chosen]))
    assert [photo.marked.names for photo in first] == [{1: "fish", 2: "leaf"}] * 2
    assert np.array_equal(first[0].marked.labels, other[0].marked.labels)
    assert np.array_equal(first[1].marked.mask(2), pond[8][1] == 3)
    results = list(track(run_files[0], model=model, photos=photos))
    assert [(o.object_id, o.name) for o in results[-1].objects] == [(1, "fish"), (2, "leaf")]
    assert iou(results[-1].mask(1), pond[2][1] == 1) > 0.7


def test_a_photo_that_the_file_does_not_annotate_is_named(coco):
    Image.open(coco.parent / "4.jpg").save(coco.parent / "5.jpg")
    with pytest.raises(AnnotationError, match=r"has no frame 5, only 4\.jpg, 8\.jpg"):
        ReferenceFiles(coco.parent / "5.jpg", coco).read()


def test_an_object_that_is_not_there_stays_lost(run_files, model, tmp_path):
    video, _ = run_files
    rgb = np.full((240, 320, 3), 90, np.uint8)
    rgb[60:180, 100:220] = (230, 40, 30)
    rgb[90:150, 130:190] = (250, 240, 60)
    Image.fromarray(rgb).save(tmp_path / "sign.png")
    labels = np.zeros(rgb.shape[:2], np.uint8)
    labels[60:180, 100:220] = 1
    write_label_png(tmp_path / "sign-mask.png", labels)
    photos = [ReferenceFiles(tmp_path / "sign.png", tmp_path / "sign-mask.png")]
    for result in track(video, model=model, photos=photos):
        assert not result.labels.any()
        assert [o.state for o in result.objects] == [ObjectState.LOST]


def test_the_score_of_what_is_found_is_that_of_its_match(run_files, model):
    video, photos = run_files
    first = next(track(video, model=model, photos=photos))
    score = first.objects[0].score
    assert 0.72 <= score < 1
    assert next(track(video, model=model, photos=photos, min_score=score - 0.001)).labels.any()
    assert not next(track(video, model=model, photos=photos, min_score=score + 0.001)).labels.any()


def test_settings_of_the_run_hold_for_its_photos(model, run_files):
    _, photos = run_files
    settings = load_settings("persam", {"prompts.positive_points": 3})
    segmenter = photo_segmenter(model, settings, [photo.read() for photo in photos])
    assert segmenter.settings == load_settings("images", {"prompts.positive_points": 3})
