from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.experiments.imputation import Imputation
from scripts.experiments.imputation_table import (
    IMPUTED,
    MATCHED_REGRESSION,
    OTHER_SCANNER,
    REGRESSION,
    ImputationRow,
    imputation_markdown,
)
from scripts.experiments.voxelwise_regression import VoxelwiseRegression
from scripts.inferers.harmonization import HarmonizationInferer, Harmonized
from scripts.methods.haca3.levels import LevelCalibration, with_levels
from scripts.methods.haca3.method import Haca3Method
from scripts.methods.haca3.tone import ToneCalibration
from scripts.metrics.image import psnr

from .small_people import narrow_haca3_plus, people, random_weights


class Remembering(HarmonizationInferer):
    """Gives T1w back and keeps what it was asked."""

    def harmonize(
        self, image: Tensor, network: Any, targets: Sequence[Any], available: Tensor | None = None
    ) -> list[Harmonized]:
        self.image, self.targets, self.available = image, targets, available
        return [Harmonized(image[:1])]


def experiment(folder: Path, **options: Any) -> Imputation:
    network = narrow_haca3_plus()
    design = {"first_scanner": "box-1", **options.pop("design", {})}
    return Imputation(
        people=people(design=design, **options),
        weights=random_weights(network),
        output_dir=str(folder),
        method=Haca3Method("haca3plus", network, Remembering(), ToneCalibration(), LevelCalibration()),
        metrics={"psnr": psnr},
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Imputation, dict[str, float]]:
    one = experiment(tmp_path_factory.mktemp("imputation"))
    one.weights.load()
    return one, {row.method: row.value for row in one.measure(1)}


def test_the_network_sees_no_pd_of_the_person(measured):
    one, _ = measured
    _, second = one.visits(1)
    assert isinstance(one.method.inferer, Remembering)
    assert one.method.inferer.available.tolist() == [1, 1, 0, 1]
    assert not one.method.inferer.image[CONTRASTS.index("pd")].any()
    torch.testing.assert_close(one.method.inferer.image[0], second.volumes[0, ..., 1:7].clamp(max=5))


def test_the_target_is_the_pd_of_another_person_on_the_scanner_of_the_truth(measured):
    one, _ = measured
    example, _ = one.visits(0)
    assert example.about["scanner"] == one.visits(1)[0].about["scanner"] == "box-1"
    with torch.inference_mode():
        code = one.method.network.encode_target(example.volumes[2][None, None], "pd")
        levels = LevelCalibration()(one.method.network, example.volumes, "pd", code)
    torch.testing.assert_close(one.method.inferer.targets[0], with_levels(code, levels))


def test_methods_are_compared_with_the_pd_of_the_first_visit(measured):
    one, found = measured
    first, second = one.visits(1)
    truth, mask = first.volumes[2, ..., 1:7].numpy(), first.mask[..., 1:7].numpy()
    assert found[OTHER_SCANNER] == pytest.approx(psnr(second.volumes[2, ..., 1:7].numpy(), truth, mask))
    assert found[IMPUTED] == pytest.approx(psnr(second.volumes[0, ..., 1:7].numpy(), truth, mask))
    assert {REGRESSION, MATCHED_REGRESSION} < found.keys() and found[REGRESSION] != found[MATCHED_REGRESSION]


def test_the_regression_finds_a_polynomial():
    sources = torch.rand(3, 500, generator=torch.Generator().manual_seed(1))
    t1w, t2w, flair = sources
    wanted = 0.2 + t1w * t2w - 0.5 * flair**2 + t1w * t2w * flair
    cubic, linear = VoxelwiseRegression(3).fit(sources, wanted), VoxelwiseRegression(1).fit(sources, wanted)
    torch.testing.assert_close(cubic(sources), wanted.clamp(min=0), rtol=0, atol=1e-5)
    assert (linear(sources) - wanted).abs().mean() > 0.01
    assert float(linear(torch.full((3, 1), -9.0))) >= 0


def test_the_table_tests_every_method_against_the_imputed_images():
    rows = []
    for person in range(8):
        for method, value in (
            (OTHER_SCANNER, 20.0),
            (REGRESSION, 21.0),
            (MATCHED_REGRESSION, 23.0),
            (IMPUTED, 22.0),
        ):
            # The matched regression is as often below as above.
            noise = (-1) ** person * 3 if method == MATCHED_REGRESSION else 0.1 * person
            rows.append(ImputationRow(f"sub-{person}", "B", "A", method, "psnr", value + noise))
    table = imputation_markdown(rows, 0.05)
    assert "| method | PSNR ↑ |" in table
    assert "| withheld scan | 20.350 ± 0.245\\* |" in table
    assert "| Nyul and regression | 23.000 ± 3.207 |" in table
    assert "| imputed | 22.350 ± 0.245 |" in table


@pytest.mark.parametrize(
    ("options", "words"),
    [({"design": {"first_scanner": None}, "subjects": 9}, "got 9 and [23]"), ({"subjects": 1}, "got 1 and 1")],
)
def test_people_without_a_common_first_scanner_are_refused(tmp_path, options, words):
    with pytest.raises(InputError, match=f"2 subjects whose first visits are to one scanner, {words}"):
        experiment(tmp_path, **options)
