"""Cross-check with vos-benchmark, an evaluator of somebody else's.

It asks for opencv-python, which takes the place of opencv-python-headless; install it with
``pip install --no-deps vos-benchmark scikit-image lazy-loader imageio tqdm``.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.scores import score_masks

benchmark = pytest.importorskip("vos_benchmark.benchmark", reason="vos-benchmark is not installed")


def test_the_shared_results_score_the_same(shared_data):
    folder = shared_data / "evaluator"
    other = benchmark.VideoEvaluator(folder / "davis/Annotations/480p", folder / "results")
    ours = evaluate(folder / "results", DavisDataset(folder / "davis", only=["dog", "kite-surf"]))
    for sequence in ours.sequences:
        _, region, contour = other(sequence.name)
        for score in sequence.objects:
            assert 100 * score.j.mean == pytest.approx(region[score.object_id], abs=1e-9)
            assert 100 * score.f.mean == pytest.approx(contour[score.object_id], abs=1e-9)


@settings(max_examples=40)
@given(arrays(np.uint8, (2, 3, 12, 15), elements=st.integers(0, 2)))
def test_random_label_maps_score_the_same(maps):
    # It takes up an object where it first appears; here all do so in the first frame.
    maps[:, 0, 0, :2] = 1, 2
    evaluator = benchmark.Evaluator()
    for truth, found in zip(*maps, strict=True):
        evaluator.feed_frame(found, truth)
    region, contour = evaluator.conclude()
    for score in score_masks(*maps).objects:
        assert 100 * score.j.mean == pytest.approx(region[score.object_id])
        assert 100 * score.f.mean == pytest.approx(contour[score.object_id])
