"""Photos on disk in, masks, overlays and run-length codes out."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from persam_video.errors import AnnotationError, OutputError, SourceError
from persam_video.images import ImageOutputs, ReferenceFiles, segment
from persam_video.masks import read_label_png
from persam_video.util.inputs import ProtectedInputs


@pytest.fixture(scope="module")
def files(three, moved, tmp_path_factory):
    """A folder with a reference (ref.jpg, ref_mask.png) and two photos in a folder of their own."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "tests").mkdir()
    three.save(folder, "ref")
    for name, photo in (("a", moved), ("b", three)):
        photo.save(folder, name)
        (folder / f"{name}.jpg").rename(folder / "tests" / f"{name}.jpg")
    return folder


@pytest.fixture
def pair(files):
    return ReferenceFiles(files / "ref.jpg", files / "ref_mask.png")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_photo_gets_its_files(model, pair, files, moved, tmp_path):
    seen = []
    segment([pair], [files / "tests"], tmp_path, model=model, on_image=seen.append)
    assert names(tmp_path) == ["a.overlay.png", "a.png", "b.overlay.png", "b.png", "segments.json"]
    assert [image.path.name for image in seen] == ["a.jpg", "b.jpg"]
    assert seen[0].size == moved.labels.shape
    record = json.loads((tmp_path / "segments.json").read_text())
    assert record["model"] == {"name": "lite", "sha256": model.info.sha256}
    assert record["references"] == [{"image": str(pair.image), "mask": str(pair.mask)}]
    assert [image["file"] for image in record["images"]] == [str(photo.path) for photo in seen]
    for image in record["images"]:
        assert image["segments"]
        stem = image["file"].rsplit("/", 1)[-1].removesuffix(".jpg")
        labels = read_label_png(tmp_path / f"{stem}.png")
        assert labels.shape == (image["height"], image["width"])
        with Image.open(tmp_path / f"{stem}.overlay.png") as overlay:
            assert overlay.size == (image["width"], image["height"])
        for found in image["segments"]:
            mask = coco.decode(found["segmentation"]).astype(bool)
            assert np.array_equal(mask, labels == found["label"])
            assert found["area"] == mask.sum()
            assert found["box"] == coco.toBbox(found["segmentation"]).tolist()
            assert 0 <= found["score"] <= 1


def test_an_earlier_run_is_kept_unless_told_otherwise(model, pair, files, tmp_path):
    tests = [files / "tests" / "a.jpg"]
    (tmp_path / "a.png").write_text("kept")
    with pytest.raises(OutputError, match="--overwrite"):
        segment([pair], tests, tmp_path, model=model)
    assert (tmp_path / "a.png").read_text() == "kept"
    assert names(tmp_path) == ["a.png"]
    segment([pair], tests, tmp_path, model=model, overwrite=True)
    assert read_label_png(tmp_path / "a.png").any()


@pytest.mark.parametrize("of", ["a test photo", "a reference's mask"])
def test_an_input_is_never_replaced(model, three, of, tmp_path):
    image, mask = three.save(tmp_path, "ref")
    tests = [image]
    if of == "a test photo":
        tests = [tmp_path / "photo.png"]
        Image.fromarray(three.rgb).save(tests[0])
    else:
        mask = mask.rename(tmp_path / "ref.png")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="is an input"):
        segment([ReferenceFiles(image, mask)], tests, tmp_path, model=model, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (("a.jpg", "b.jpg"), ("a.png", "b.png")),
        (("a.jpg", "a.png"), ("a.jpg.png", "a.png.png")),
        (("left/a.jpg", "right/a.jpg", "b.jpg"), ("left_a.png", "right_a.png", "b.png")),
        (("left/A.jpg", "right/a.jpg"), ("left_A.png", "right_a.png")),
        (("l/x/a.jpg", "r/x/a.jpg"), ("l_x_a.png", "r_x_a.png")),
        (("l/a.jpg", "l/a.png", "r/a.jpg"), ("a.jpg.png", "a.png.png", "a.png")),
    ],
)
def test_photos_of_one_name_keep_results_of_their_own(images, masks, tmp_path):
    paths = tuple(tmp_path / image for image in images)
    outputs = ImageOutputs(tmp_path / "out", paths)
    assert tuple(outputs.mask(path).name for path in paths) == masks
    outputs.prepare(ProtectedInputs(()), overwrite=False)


def test_photos_of_one_name_are_both_segmented(model, pair, files, tmp_path):
    for folder in ("left", "right"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "00010.jpg").write_bytes((files / "tests" / "a.jpg").read_bytes())
    photos = [tmp_path / "left" / "00010.jpg", tmp_path / "right" / "00010.jpg"]
    segment([pair], [*photos, photos[0]], tmp_path / "out", model=model)
    record = json.loads((tmp_path / "out" / "segments.json").read_text())
    assert [(image["file"], image["mask"]) for image in record["images"]] == [
        (str(photos[0]), "left_00010.png"),
        (str(photos[1]), "right_00010.png"),
    ]
    assert {"left_00010.png", "right_00010.overlay.png"} <= set(names(tmp_path / "out"))


def test_two_photos_may_not_share_an_output(tmp_path):
    paths = (tmp_path / "a.jpg", tmp_path / "a.overlay.jpg")
    with pytest.raises(OutputError, match=r"2 images would write a\."):
        ImageOutputs(tmp_path / "out", paths).prepare(ProtectedInputs(()), overwrite=True)
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_shows_before_anything_is_written(model, pair, files, tmp_path):
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes((files / "tests" / "a.jpg").read_bytes()[:2000])
    good = files / "tests" / "a.jpg"
    out = tmp_path / "out"
    for references, tests, error in (
        ([pair], [good, damaged], SourceError),
        ([pair], [good, tmp_path / "missing.jpg"], SourceError),
        ([ReferenceFiles(damaged, pair.mask)], [good], SourceError),
        ([ReferenceFiles(good, pair.mask)], [good], AnnotationError),
        ([], [good], AnnotationError),
    ):
        with pytest.raises(error) as raised:
            segment(references, tests, out, model=model)
        assert "\n" not in str(raised.value)
        assert not out.exists()


def test_an_interrupt_keeps_what_is_done(model, pair, files, tmp_path):
    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment([pair], [files / "tests"], tmp_path, model=model, on_image=stop)
    assert names(tmp_path) == ["a.overlay.png", "a.png", "segments.json"]
    record = json.loads((tmp_path / "segments.json").read_text())
    assert [image["file"] for image in record["images"]] == [str(files / "tests" / "a.jpg")]
