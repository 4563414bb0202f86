import base64
import io

import numpy as np
import pytest
from PIL import Image

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.report.picture import LONG_SIDE
from persam_video.report.pictures import (
    EXTRA,
    MISSED,
    SWAPPED,
    error_map,
    frame_pictures,
)


def test_each_error_has_its_colour():
    truth = np.array([[0, 1, 1, 1, 2]], np.uint8)
    found = np.array([[0, 1, 0, 2, 0]], np.uint8)
    found[0, 0] = 0
    rgb = error_map(np.full((1, 5, 3), 100, np.uint8), truth, found)[0].astype(int)
    assert rgb[0].tolist() == [42, 42, 42]
    assert np.ptp(rgb[1]) < 10
    assert rgb[1].min() > 100
    for pixel, colour in ((rgb[2], MISSED), (rgb[3], SWAPPED), (rgb[4], MISSED)):
        assert abs(pixel - colour).max() < 25
    wrong = error_map(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), truth[:, 1:2])
    assert abs(wrong[0, 0].astype(int) - EXTRA).max() < 30


def decode(picture):
    head, _, code = picture.uri.partition(",")
    assert head == "data:image/webp;base64"
    image = Image.open(io.BytesIO(base64.b64decode(code)))
    assert image.size == (picture.width, picture.height)
    return np.array(image.convert("RGB"))


def scene(tmp_path, truth, found, *, image=True, year=2017, **options):
    """Write a sequence of three equal frames, score it and draw its middle one."""
    root, results = tmp_path / "DAVIS", tmp_path / "results"
    kind = "Annotations_unsupervised" if options.get("task") == "unsupervised" else "Annotations"
    places = {root / kind / "480p": truth, results: found}
    if image:
        places[root / "JPEGImages" / "480p"] = np.full((*truth.shape, 3), 120, np.uint8)
    for folder, pixels in places.items():
        (folder / "dog").mkdir(parents=True)
        for frame in range(3):
            suffix = "jpg" if pixels.ndim == 3 else "png"
            Image.fromarray(pixels).save(folder / "dog" / f"{frame:05d}.{suffix}")
    names = root / "ImageSets" / str(year) / "val.txt"
    names.parent.mkdir(parents=True)
    names.write_text("dog\n")
    dataset = DavisDataset(root, year, **options)
    evaluation = evaluate(results, dataset)
    return frame_pictures(dataset, results, evaluation.sequences[0], "00001")


def labels(*boxes, shape=(240, 320)):
    made = np.zeros(shape, np.uint8)
    for label, x0, y0, x1, y1 in boxes:
        made[y0:y1, x0:x1] = label
    return made


def test_four_pictures_of_one_size(tmp_path):
    found = scene(tmp_path, labels((1, 20, 20, 300, 200)), labels((1, 40, 20, 300, 200)))
    assert [picture.title for picture in found.pictures] == [
        "image",
        "annotation",
        "prediction",
        "errors",
    ]
    assert {(picture.width, picture.height) for picture in found.pictures} == {(LONG_SIDE, 330)}
    assert not found.is_cut
    image, annotation, prediction, errors = (decode(p).astype(int) for p in found.pictures)
    assert abs(image - 120).max() < 12
    assert annotation[165, 40, 0] > annotation[165, 40, 2] + 40
    assert np.ptp(prediction[165, 40]) < 25
    assert abs(errors[165, 40] - MISSED).max() < 60


def test_without_images_there_are_three_pictures(tmp_path):
    found = scene(tmp_path, labels((1, 0, 0, 320, 240)), labels(), image=False)
    assert [picture.title for picture in found.pictures] == ["annotation", "prediction", "errors"]


@pytest.mark.parametrize("shape", [(240, 320), (320, 240), (90, 160), (91, 163)])
def test_small_objects_are_cut_out_in_the_frame_s_proportions(tmp_path, shape):
    height, width = shape
    truth = labels((1, width - 4, height - 2, width, height), shape=shape)
    found = scene(tmp_path, truth, truth)
    assert found.is_cut
    (size,) = {(picture.width, picture.height) for picture in found.pictures}
    assert max(size) == LONG_SIDE
    assert size[0] / size[1] == pytest.approx(width / height, rel=0.005)
    errors = decode(found.pictures[-1])
    assert errors[-3:, -3:].min() > 100


def test_nothing_in_the_frame_is_no_obstacle(tmp_path):
    truth = labels((1, 10, 10, 300, 200))
    found = scene(tmp_path, truth, labels())
    assert not found.is_cut


def test_void_is_no_error(tmp_path):
    truth = labels((1, 20, 20, 200, 200), (255, 200, 20, 300, 200))
    found = scene(tmp_path, truth, labels((1, 20, 20, 300, 200)))
    errors = decode(found.pictures[-1]).astype(int)
    assert np.ptp(errors[150, 350]) < 30


def test_the_labels_of_2016_are_one_object(tmp_path):
    truth = labels((255, 20, 20, 300, 200))
    found = scene(tmp_path, truth, labels((3, 20, 20, 300, 200)), year=2016)
    errors = decode(found.pictures[-1]).astype(int)
    assert np.ptp(errors[165, 200]) < 30
    assert errors[165, 200].min() > 90


def test_proposals_are_drawn_as_the_objects_they_were_matched_with(tmp_path):
    truth = labels((1, 20, 20, 150, 200), (2, 170, 20, 300, 200))
    found = labels((7, 20, 20, 150, 200), (4, 170, 20, 300, 200), (9, 0, 0, 10, 10))
    shown = scene(tmp_path, truth, found, task="unsupervised")
    errors = decode(shown.pictures[-1]).astype(int)
    for x in (100, 330):
        assert np.ptp(errors[165, x]) < 30
        assert errors[165, x].min() > 90
    assert np.ptp(errors[5, 5]) < 30


def test_an_image_that_does_not_fit_is_left_out(tmp_path):
    truth = labels((1, 20, 20, 300, 200))
    scene(tmp_path, truth, truth)
    image = tmp_path / "DAVIS/JPEGImages/480p/dog/00001.jpg"
    dataset = DavisDataset(tmp_path / "DAVIS")
    score = evaluate(tmp_path / "results", dataset).sequences[0]
    for spoil in (
        lambda: image.write_bytes(b"garbage"),
        lambda: Image.new("RGB", (9, 9)).save(image),
    ):
        spoil()
        assert len(frame_pictures(dataset, tmp_path / "results", score, "00001").pictures) == 3
