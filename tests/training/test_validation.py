import numpy as np
import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from scripts.methods.haca3.artifact_validation import ScoreSlices
from scripts.methods.haca3.harmonizer_stage import HarmonizeSlices
from scripts.metrics.image import psnr
from scripts.training.sample_grid import SampleGrid
from scripts.training.score_validation import CleanAuc, SeverityCorrelation
from scripts.training.validation import FixedBatches, ImageMetric, MeanLoss, slice_ssim

from .tiny_stage import SIZE, tiny_batch, tiny_stage

ENGINE = Engine(lambda *_: None)


def test_slices_are_harmonized_to_their_reference():
    network, batch = tiny_stage().network.eval(), tiny_batch(2)
    found = HarmonizeSlices(network)(ENGINE, batch)
    with torch.inference_mode():
        codes = network.encode_code(batch["reference"])[:, 0]
        torch.testing.assert_close(found["pred"], network(batch["source"], codes, batch["available"]))
    assert found["target"] is batch["target"]


def test_a_metric_is_the_mean_over_slices_with_a_mask():
    target, mask = torch.ones(3, 1, 16, 16), torch.ones(3, 1, 16, 16, dtype=torch.bool)
    mask[2] = False
    metric = ImageMetric(psnr)
    metric.update({"pred": target + torch.tensor([0.1, 0.01, 5.0]).view(3, 1, 1, 1), "target": target, "mask": mask})
    # 20 and 40 dB.
    assert metric.compute() == pytest.approx(30, abs=1e-3)
    metric.reset()
    metric.update({"pred": target, "target": target - 0.1, "mask": mask})
    assert metric.compute() == pytest.approx(20, abs=1e-3)


def test_equal_slices_have_an_ssim_of_one():
    image = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    assert slice_ssim(image, image, image > 0) == pytest.approx(1)


def test_batches_are_made_once():
    made = []

    class Loader:
        def __len__(self) -> int:
            return 2

        def __iter__(self):
            made.append(1)
            return iter([1, 2])

    batches = FixedBatches(Loader())
    assert list(batches) == list(batches) == [1, 2]
    assert len(batches) == 2 and made == [1]


def test_metrics_take_the_output_of_an_evaluator():
    network = tiny_stage().network
    engine = Engine(HarmonizeSlices(network))
    ImageMetric(psnr).attach(engine, "psnr")
    engine.run([tiny_batch(2)])
    assert np.isfinite(engine.state.metrics["psnr"])


def test_scores_are_norms_of_codes():
    encoder = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 4, bias=False), torch.nn.Flatten())
    # Each code is the mean of its own channel.
    encoder[0].weight.data = torch.eye(2)[:, :, None, None].expand(2, 2, 4, 4) / 16
    batch = {"anchor": torch.full((2, 2, 4, 4), 3.0), "negative": torch.full((2, 2, 4, 4), 4.0)}
    found = ScoreSlices(encoder)(ENGINE, batch)
    assert found["clean"].tolist() == pytest.approx([18**0.5] * 2)
    assert found["degraded"].tolist() == pytest.approx([32**0.5] * 2)


def scored() -> dict:
    return {
        "clean": torch.tensor([0.1, 0.2, 0.3, 0.6]),
        "degraded": torch.tensor([0.2, 0.4, 0.7, 0.5]),
        "severity": torch.tensor([0.1, 0.9, 0.2, 0.8]),
        "kind": ["noise", "noise", "motion", "motion"],
    }


def test_severity_correlates_within_each_kind():
    metric = SeverityCorrelation()
    metric.update(scored())
    # 1 for noise, -1 for motion.
    assert metric.compute() == pytest.approx(0)


def test_auc_is_the_share_of_pairs_in_order():
    metric = CleanAuc(severity=0.5)
    metric.update(scored())
    # 0.4 and 0.5 are above three of the four clean scores.
    assert metric.compute() == pytest.approx(6 / 8)


def test_pictures_show_sources_output_and_target(tmp_path):
    evaluator, trainer = Engine(lambda _, batch: batch), Engine(lambda *_: None)
    SampleGrid(evaluator, tmp_path, rows=3, white=2.0).attach(trainer)
    batch = {**tiny_batch(2), "pred": torch.full((2, 1, SIZE, SIZE), 1.0)}
    evaluator.run([batch, batch])
    trainer.run([0], max_epochs=1)
    picture = np.asarray(Image.open(tmp_path / "epoch-0001.png"))
    assert picture.shape == (3 * SIZE, 6 * SIZE)
    assert (picture[:, 4 * SIZE : 5 * SIZE] == 128).all()
    expected = (batch["target"][1, 0] / 2).clamp(0, 1).mul(255).round()
    np.testing.assert_array_equal(picture[SIZE : 2 * SIZE, 5 * SIZE :], expected)


def test_pictures_show_other_columns_where_they_are_asked_for(tmp_path):
    evaluator, trainer = Engine(lambda _, batch: batch), Engine(lambda *_: None)
    SampleGrid(evaluator, tmp_path, columns=["image", "pred"]).attach(trainer)
    evaluator.run([{"image": torch.rand(2, 3, SIZE, SIZE), "pred": torch.rand(2, 3, SIZE, SIZE)}])
    trainer.run([0], max_epochs=1)
    assert np.asarray(Image.open(tmp_path / "epoch-0001.png")).shape == (2 * SIZE, 6 * SIZE)


def test_a_loss_is_averaged_over_batches():
    metric = MeanLoss("coupling")
    for value in (1.0, 2.0, 6.0):
        metric.update({"losses": {"coupling": value, "total": 100.0}})
    assert metric.compute() == pytest.approx(3.0)
