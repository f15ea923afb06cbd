import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose

from scripts.artifacts.degrade import apply_artifact
from scripts.artifacts.kinds import KINDS
from scripts.artifacts.random_artifact import RandomArtifactd
from scripts.base.errors import InputError


@pytest.fixture
def image() -> torch.Tensor:
    return torch.nn.functional.pad(torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0)), (8, 8, 8, 8))


def test_kind_and_severity_are_told(image):
    transform = RandomArtifactd("image").set_random_state(seed=3)
    results = [transform({"image": image, "name": "x"}) for _ in range(40)]
    assert {result["artifact_kind"] for result in results} == set(KINDS)
    severities = [result["artifact_severity"] for result in results]
    assert 0 <= min(severities) < 0.2 < 0.8 < max(severities) <= 1
    assert all(result["name"] == "x" and not torch.equal(result["image"], image) for result in results)


def test_all_keys_get_the_artifact_that_was_drawn(image):
    transform = RandomArtifactd(["a", "b"], kinds=["ghosting"], severity=(0.5, 0.5)).set_random_state(seed=1)
    result = transform({"a": image, "b": image})
    assert (result["artifact_kind"], result["artifact_severity"]) == ("ghosting", 0.5)
    assert torch.equal(result["a"], result["b"])
    assert torch.equal(result["a"], apply_artifact(image, transform.parameters))


def test_seed_decides(image):
    runs = [RandomArtifactd("image").set_random_state(seed=4)({"image": image})["image"] for _ in range(2)]
    assert torch.equal(*runs)


def test_volumes_and_missing_keys(image):
    transform = RandomArtifactd(["image", "other"], allow_missing_keys=True).set_random_state(seed=0)
    assert transform({"image": image[..., None].repeat(1, 1, 1, 12)})["image"].shape == (1, 48, 48, 12)
    assert transform({"name": "x"}) == {"name": "x"}


def test_works_in_a_loader(image):
    transform = Compose([RandomArtifactd("image", keep_background=False)]).set_random_state(seed=0)
    batch = next(iter(DataLoader(Dataset([{"image": image}] * 3, transform), batch_size=3)))
    assert batch["image"].shape == (3, 1, 48, 48)
    assert len(batch["artifact_kind"]) == len(batch["artifact_severity"]) == 3


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match=r"`kinds` must be some of noise, .*, got \['spike'\]"):
        RandomArtifactd("image", kinds=["spike"])
    with pytest.raises(InputError, match=r"`kinds` must be some of noise, .*, got \[\]"):
        RandomArtifactd("image", kinds=[])
    for severity in [(0.5, 0.2), (-1.0, 1.0), (0.0, np.nan)]:
        with pytest.raises(InputError, match="`severity` must be a lower and an upper bound between 0 and 1"):
            RandomArtifactd("image", severity=severity)
