import json

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import DatasetError
from persam_video.images import OneShotSegmenter, Reference, Search
from persam_video.perseg import PerSegDataset, evaluate_perseg
from persam_video.perseg.evaluation import write_json
from persam_video.perseg.metrics import boundary_region
from persam_video.sam import load_sam


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", image_size=256, device="cpu")


@pytest.fixture(scope="module")
def score(perseg, model):
    return evaluate_perseg(PerSegDataset(perseg), model=model)


def test_the_figures_are_those_of_the_masks(perseg, model, score):
    """Recomputed from the library's masks: pixels of all images of an object, then the mean."""
    for shown, found in zip(PerSegDataset(perseg), score.objects, strict=True):
        segmenter = OneShotSegmenter(
            model, [Reference(*shown.references[0].read())], None, Search(score=0)
        )
        truth, masks = [], []
        for test in shown.tests:
            rgb, mask = test.read()
            truth.append(mask)
            masks.append(segmenter.segment(rgb)[0].mask)
        assert (found.name, found.images) == (shown.name, 2)
        for value, a, b in (
            (found.iou, np.stack(truth), np.stack(masks)),
            (
                found.boundary_iou,
                *(np.stack(list(map(boundary_region, m))) for m in (truth, masks)),
            ),
        ):
            assert value == (a & b).sum() / (a | b).sum()
    assert score.iou == pytest.approx(np.mean([scored.iou for scored in score.objects]))
    assert score.boundary_iou == pytest.approx(np.mean([o.boundary_iou for o in score.objects]))


def test_easy_objects_score_high(score):
    assert score.iou > 0.8
    assert 0.4 < score.boundary_iou < score.iou


def test_json_holds_every_figure(score, tmp_path):
    write_json(score, tmp_path / "new" / "scores.json")
    figures = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert figures["mIoU"] == score.iou
    assert figures["boundary IoU"] == score.boundary_iou
    assert figures["objects"]["blue"]["IoU"] == score.objects[0].iou
    assert figures["model"]["name"] == "lite"


def test_a_reference_without_an_object(make_perseg, model):
    root = make_perseg()
    Image.new("RGB", (384, 288)).save(root / "Annotations" / "blue" / "00.png")
    with pytest.raises(DatasetError, match="no object"):
        evaluate_perseg(PerSegDataset(root), model=model)
