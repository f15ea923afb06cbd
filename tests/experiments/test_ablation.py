from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.artifacts.kinds import KINDS
from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.experiments.ablation import COMBINATIONS, Ablation, ContrastAlone, EqualShares
from scripts.experiments.ablation_table import (
    ACQUIRED,
    DEGRADED,
    HACA3_PLUS,
    METHODS,
    NO_ARTIFACT_ENCODER,
    NO_ATTENTION,
    STATES,
    UNHARMONIZED,
    AblationRow,
    ablation_markdown,
)
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention, ScalarAttention
from scripts.methods.haca3.fusing import MedianFusion
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.tone import ToneCalibration, ToneCurve
from scripts.methods.haca3.triplanar import TriPlanarInferer
from scripts.metrics.image import psnr

from .small_people import narrow_haca3_plus, people, random_weights


class Doubling(ToneCalibration):
    """Finds that everything has to be twice as bright."""

    def __call__(self, network: Any, image: Tensor, contrast: str, code: Tensor) -> ToneCurve:
        return ToneCurve((1.0, 20.0), (2.0, 40.0))


class Remembering(TriPlanarInferer):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(MedianFusion(), orientations=["axial"])
        self.asked: list[tuple[Tensor, Haca3]] = []
        self.made: list[Tensor] = []

    def harmonize(self, image: Tensor, network: Haca3, targets: Any, available: Any = None) -> Any:
        self.asked.append((image, network))
        results = super().harmonize(image, network, targets, available)
        self.made.append(results[0].image[0])
        return results


def experiment(folder: Path, network: Haca3 | None = None, **options: Any) -> Ablation:
    network = network or narrow_haca3_plus()
    return Ablation(
        people=people(subjects=1),
        network=network,
        weights=random_weights(network),
        output_dir=str(folder),
        inferer=Remembering(),
        tone=Doubling(),
        metrics={"psnr": psnr},
        **options,
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ablation, list[AblationRow]]:
    """The first person, whose T1w image is noisy the second time."""
    one = experiment(tmp_path_factory.mktemp("ablation"))
    one.weights.load()
    return one, one.measure(0)


def test_without_the_artifact_encoder_contrast_alone_decides():
    alpha = CodeAttention().eval()
    query, keys, available = torch.rand(2, 4), torch.rand(2, 3, 4), torch.ones(2, 3)
    other_artifacts = keys.clone()
    other_artifacts[..., 2:] = torch.rand(2, 3, 2)
    blind = ContrastAlone(alpha, theta=2)
    torch.testing.assert_close(blind(query, keys, available), blind(query, other_artifacts, available))
    assert not torch.allclose(alpha(query, keys, available), alpha(query, other_artifacts, available))
    # Sources that are as clean as the target have the weights that they had.
    as_target = torch.cat([keys[..., :2], query[:, None, 2:].expand(-1, 3, -1)], -1)
    torch.testing.assert_close(blind(query, as_target, available), alpha(query, as_target, available))
    other_contrasts = torch.cat([torch.rand(2, 3, 2), keys[..., 2:]], -1)
    assert not torch.allclose(blind(query, keys, available), blind(query, other_contrasts, available))


def test_without_attention_every_source_that_is_there_counts_alike():
    available = torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    shares = EqualShares()(torch.rand(2, 4), torch.rand(2, 3, 4), available)
    assert shares.tolist() == [[0.5, 0, 0.5], [0, 0, 0]]


def test_the_source_of_the_targets_contrast_alone_is_degraded_and_all_networks_see_the_same(measured):
    one, _ = measured
    assert isinstance(one.inferer, Remembering)
    images = [image for image, _ in one.inferer.asked]
    visit, _ = one.visits(0)
    for image in images[:3]:
        torch.testing.assert_close(image, visit.only(["t1w", "t2w", "flair"]).volumes[..., 1:7].clamp(max=5))
    for image in images[3:]:
        assert torch.equal(image, images[3])
        assert torch.equal(image[1:], images[0][1:]) and not torch.equal(image[0], images[0][0])
    alphas = [network.attention.alpha for _, network in one.inferer.asked]
    assert [type(alpha) for alpha in alphas] == [CodeAttention, ContrastAlone, EqualShares] * 2
    assert one.network.attention.alpha is alphas[0]


def test_images_have_the_brightness_of_the_target_and_are_compared_with_its_scan(measured):
    one, rows = measured
    assert isinstance(one.inferer, Remembering)
    visit, other = one.visits(0)
    assert len(rows) == len(STATES) * len(METHODS)
    found = {(row.state, row.method): row.value for row in rows}
    truth, brain = other.volumes[0, ..., 1:7].clamp(max=5).numpy(), visit.mask[..., 1:7].numpy()
    made = [image.numpy() * 2 for image in one.inferer.made]
    for state, images in ((ACQUIRED, made[:3]), (DEGRADED, made[3:])):
        for method, image in zip((HACA3_PLUS, NO_ARTIFACT_ENCODER, NO_ATTENTION), images, strict=True):
            assert found[state, method] == pytest.approx(psnr(image, truth, brain), rel=1e-5)
    acquired = visit.volumes[0, ..., 1:7].clamp(max=5).numpy()
    assert found[ACQUIRED, UNHARMONIZED] == pytest.approx(psnr(acquired, truth, brain))
    assert found[DEGRADED, UNHARMONIZED] != found[ACQUIRED, UNHARMONIZED]


def test_people_go_round_artifacts_and_contrasts():
    assert len(COMBINATIONS) == len(set(COMBINATIONS)) == 15
    assert {kind for kind, _ in COMBINATIONS} == set(KINDS)
    assert {contrast for _, contrast in COMBINATIONS} == set(CONTRASTS) - {"pd"}


def test_the_tables():
    rows = []
    for person in range(10):
        artifact = "noise" if person % 2 else "motion"
        for state, loss in ((ACQUIRED, 0.0), (DEGRADED, 2.0)):
            # Equal to HACA3+ in clean images, 1 dB below in noisy ones and 3 below in moved ones.
            part = loss * (0.5 if artifact == "noise" else 1.5)
            values = (20.0 - loss, 25.0, 25.0 - part, 24.0 - person / 100)
            for method, value in zip(METHODS, values, strict=True):
                about = (f"sub-{person}", "B", "A", "t1w", artifact, state)
                rows.append(AblationRow(*about, method, "psnr", value))
    table = ablation_markdown(rows, 0.05)
    assert "| method | clean: PSNR ↑ | degraded: PSNR ↑ |" in table
    assert "| unharmonized | 20.000 ± 0.000\\* | 18.000 ± 0.000\\* |" in table
    assert "| without artifact encoder | 25.000 ± 0.000 | 23.000 ± 1.054\\* |" in table
    assert "| without attention | 23.955 ± 0.030\\* | 23.955 ± 0.030\\* |" in table
    assert "| motion | 5 | +3.000 ± 0.000 | +1.040 ± 0.032 |" in table
    assert "| noise | 5 | +1.000 ± 0.000 | +1.050 ± 0.032 |" in table


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(InputError, match="`severity` must be above 0 and at most 1, got 0"):
        experiment(tmp_path, severity=0)
    with pytest.raises(InputError, match="`network_def#attention` must be a ForegroundAttention, got a ScalarAtt"):
        experiment(tmp_path, network=narrow_haca3_plus(ScalarAttention(CodeAttention())))


def test_a_part_is_taken_from_a_copy(tmp_path):
    one = experiment(tmp_path)
    reduced = one.networks[NO_ATTENTION]
    assert isinstance(one.network.attention, ForegroundAttention) and reduced is not one.network
    assert isinstance(one.network.attention.alpha, CodeAttention)
