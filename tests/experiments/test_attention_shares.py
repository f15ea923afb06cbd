from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.artifacts.kinds import KINDS
from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.experiments.attention_shares import AttentionShares, attention_in
from scripts.experiments.attention_table import CLEAN, ShareRow, attention_markdown
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.network import Haca3

from .small_people import narrow_haca3_plus, people, random_weights, slices


class Smoothest(CodeAttention):
    """Prefers sources whose artifact score, the third number of a code, is low."""

    def forward(self, query: Tensor, keys: Tensor, available: Tensor) -> Tensor:
        return (-100 * keys[..., 2]).softmax(-1)


class OwnTheta(CodeAttention):
    """Prefers sources whose theta is that of the target."""

    def forward(self, query: Tensor, keys: Tensor, available: Tensor) -> Tensor:
        return (-1e4 * (query[:, None, :2] - keys[..., :2]).norm(dim=-1)).softmax(-1)


def indifferent() -> Haca3:
    """All sources that show something have the same weight."""
    network = narrow_haca3_plus()
    with torch.no_grad():
        for parameter in network.attention.parameters():
            parameter.zero_()
    return network


def experiment(folder: Path, network: Haca3, severities: Any = (0.25, 1.0), **options: Any) -> AttentionShares:
    scans = people(**{"subjects": 1, **options})
    return AttentionShares(
        people=scans,
        slices=slices(scans, slices_per_orientation=1),
        network=network,
        weights=random_weights(network),
        output_dir=str(folder),
        severities=severities,
        batch_size=2,
    )


def test_attention_is_the_mean_over_pixels_of_the_region_that_show_something():
    images = torch.zeros(1, 2, 96, 96)
    images[0, 0, 0, :3] = 1
    images[0, 1, 0, 2:5] = 1
    region = torch.zeros(1, 1, 96, 96, dtype=torch.bool)
    # Source 0 alone, source 0 alone, both, source 1 alone, and two pixels that are not counted.
    region[..., 0, [0, 1, 2, 3, 10, 11]] = True
    shares = attention_in(indifferent(), torch.zeros(1, 4), torch.zeros(1, 2, 4), images, region)
    assert shares.tolist() == pytest.approx([2.5 / 4, 1.5 / 4])


@pytest.fixture(scope="module")
def smoothest(tmp_path_factory: pytest.TempPathFactory) -> list[ShareRow]:
    network = narrow_haca3_plus(ForegroundAttention(Smoothest()))
    one = experiment(tmp_path_factory.mktemp("attention"), network)
    one.weights.load()
    return one.measure(0)


def test_every_target_kind_and_severity_has_shares_that_sum_to_one(smoothest):
    sums: dict[tuple[str, str, float], float] = {}
    for row in smoothest:
        place = (row.target, row.kind, row.severity)
        sums[place] = sums.get(place, 0) + row.share
    degraded = {(kind, severity) for kind in KINDS for severity in (0.25, 1.0)}
    assert sums.keys() == {(target, *how) for target in CONTRASTS for how in {(CLEAN, 0.0), *degraded}}
    assert list(sums.values()) == pytest.approx([1.0] * len(sums))
    assert {(row.scanner != row.target_scanner, row.subject) for row in smoothest} == {(True, "epoch-1_round-1_sub-01")}


def test_only_the_source_of_the_targets_contrast_is_degraded(smoothest):
    shares = {(row.target, row.kind, row.severity, row.source): row.share for row in smoothest}
    for contrast in CONTRASTS:
        own = [shares[contrast, *how, contrast] for how in ((CLEAN, 0.0), ("noise", 0.25), ("noise", 1.0))]
        assert own[0] > 0.01 and own[0] > own[1] > own[2]
        for other in set(CONTRASTS) - {contrast}:
            assert shares[contrast, "noise", 1.0, other] >= shares[contrast, CLEAN, 0.0, other]


def test_the_target_is_the_second_visits_image_of_its_contrast(tmp_path):
    network = narrow_haca3_plus(ForegroundAttention(OwnTheta()))
    one = experiment(tmp_path, network, subjects=2)
    one.weights.load()
    visit, other = one.visits(1)
    rows = [row for row in one.measure(1) if row.kind == CLEAN]
    codes = one.network.encode_target(other.volumes[:, None], "t1w")[:, None]
    cut = one.slices.prepare(visit)
    images, brain = torch.stack([*cut.images.values()]), torch.stack([*cut.masks.values()])
    with torch.inference_mode():
        keys = one.network.encode_code(images)
        expected = [attention_in(one.network, code, keys, images, brain) for code in codes]
    assert [row.share for row in rows] == pytest.approx(torch.stack(expected).flatten().tolist())


def test_a_run_writes_tables_and_a_second_one_encodes_nothing(tmp_path):
    table = experiment(tmp_path, indifferent(), severities=(1.0,)).run()
    assert "over 1 people" in table and "| motion |" in table
    network = indifferent()
    network.encode_code = None  # type: ignore[assignment]
    assert experiment(tmp_path, network, severities=(1.0,)).run() == table


def test_tables_are_means_over_kinds_or_targets_and_then_over_people():
    rows = []
    for subject, gain in (("sub-1", 0.0), ("sub-2", 0.2)):
        for target, clean, noise, motion in (("t1w", 0.5, 0.3, 0.1), ("flair", 0.7, 0.5, 0.1)):
            about = (subject, "A", "B", target)
            for kind, severity, own in ((CLEAN, 0.0, clean), ("noise", 1.0, noise), ("motion", 1.0, motion)):
                other = "flair" if target == "t1w" else "t1w"
                rows.append(ShareRow(*about, kind, severity, target, own + gain))
                rows.append(ShareRow(*about, kind, severity, other, 1 - own - gain))
    tables = attention_markdown(rows)
    assert "| target | on t1w | on flair |" in tables
    assert "| t1w | 0.600 ± 0.141 | 0.400 ± 0.141 |" in tables
    assert "| target | clean | severity 1 |" in tables
    assert "| t1w | 0.600 ± 0.141 | 0.300 ± 0.141 |" in tables
    assert "| flair | 0.800 ± 0.141 | 0.400 ± 0.141 |" in tables
    assert "| artifact | severity 1 |" in tables
    assert "| noise | 0.500 ± 0.141 |" in tables and "| motion | 0.200 ± 0.141 |" in tables


@pytest.mark.parametrize("severities", [(), (0.0, 1.0), (0.5, 1.5)])
def test_wrong_severities_are_refused(tmp_path, severities):
    with pytest.raises(InputError, match="`severities` must be above 0 and at most 1, got "):
        experiment(tmp_path, indifferent(), severities=severities)


def test_a_contrast_that_is_not_acquired_is_refused(tmp_path):
    words = r"`cohort` of people must have t1w, t2w, pd, flair at every visit, box-\d lacks \['pd'\]"
    with pytest.raises(InputError, match=words):
        experiment(tmp_path, indifferent(), design={"contrasts": ["t1w", "t2w", "flair"]})
