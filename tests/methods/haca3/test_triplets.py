from collections import Counter

import pytest
import torch
from torch.utils.data import default_collate

from scripts.artifacts.degrade import apply_artifact
from scripts.artifacts.kinds import KINDS
from scripts.base.errors import InputError
from scripts.methods.haca3.triplets import ArtifactTripletd

from ...training.square_sample import SIZE, square_sample


def test_negative_is_the_anchor_with_the_artifact_that_is_told():
    transform, sample = ArtifactTripletd(), square_sample(seed=5, levels=(1, 0, 7, 0))
    triplet, result = transform.draw(sample), transform(sample)
    contrast = triplet.contrast
    assert torch.equal(result["anchor"], sample["image"][contrast, None].clamp(max=5))
    assert torch.equal(result["positive"], sample["reference"][contrast, None])
    expected = apply_artifact(sample["image"][contrast, None], triplet.artifact).clamp(max=5)
    assert torch.equal(result["negative"], expected)
    assert not torch.equal(result["negative"], result["anchor"])
    assert float(result["severity"]) == pytest.approx(triplet.artifact.severity)
    assert (result["kind"], int(result["contrast"])) == (triplet.artifact.kind, contrast)


def test_contrasts_kinds_and_severities_are_equally_likely():
    transform = ArtifactTripletd()
    triplets = [transform.draw(square_sample(seed, levels=(1, 0, 1, 1))) for seed in range(600)]
    contrasts = Counter(triplet.contrast for triplet in triplets)
    assert set(contrasts) == {0, 2, 3} and min(contrasts.values()) > 150
    kinds = Counter(triplet.artifact.kind for triplet in triplets)
    assert set(kinds) == set(KINDS) and min(kinds.values()) > 0.7 * 600 / len(KINDS)
    severities = torch.tensor([triplet.artifact.severity for triplet in triplets])
    # Of a uniform distribution; five standard errors.
    assert float(severities.mean()) == pytest.approx(1 / 2, abs=0.06)
    assert float(severities.std()) == pytest.approx(12**-0.5, abs=0.04)


def test_empty_slice_is_never_the_anchor():
    transform = ArtifactTripletd()
    samples = [square_sample(seed, levels=(0, 1, 0, 0), available=torch.ones(4)) for seed in range(50)]
    assert {transform.draw(sample).contrast for sample in samples} == {1}


def test_seeds_of_transform_and_sample_decide():
    transform = ArtifactTripletd(seed=3)
    first = [transform.draw(square_sample(seed)) for seed in (1, 2, 1)]
    assert first[0] == first[2] != first[1]
    assert ArtifactTripletd(seed=3).draw(square_sample(2)) == first[1]
    assert [ArtifactTripletd(seed=4).draw(square_sample(seed)) for seed in (1, 2, 1)] != first


def test_batches_collate():
    transform = ArtifactTripletd(severity=(0.2, 0.4))
    batch = default_collate([transform(square_sample(seed)) for seed in range(3)])
    for role in ("anchor", "positive", "negative"):
        assert batch[role].shape == (3, 1, SIZE, SIZE) and batch[role].dtype == torch.float32
    assert batch["severity"].shape == (3,) and batch["severity"].dtype == torch.float32
    assert batch["severity"].min() >= 0.2 and batch["severity"].max() <= 0.4
    assert len(batch["kind"]) == len(batch["subject"]) == 3


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`severity` must be a lower and an upper bound between 0 and 1"):
        ArtifactTripletd(severity=(0.5, 2.0))
