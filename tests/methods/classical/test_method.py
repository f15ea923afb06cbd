import pytest
import torch

from scripts.base.errors import InputError
from scripts.inferers.harmonization import VolumeInferer
from scripts.jobs.targets import StoredCode
from scripts.methods.base import Abilities
from scripts.methods.classical.mean_std import MeanStdMatching
from scripts.methods.classical.method import ClassicalCode, ClassicalMethod


def method() -> ClassicalMethod:
    return ClassicalMethod("mean_std", MeanStdMatching(), VolumeInferer())


def visit() -> torch.Tensor:
    """Images (4, X, Y, Z) of which only the second is there."""
    images = torch.zeros(4, 6, 5, 4)
    images[1] = torch.rand(6, 5, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    return images


def test_it_takes_images_alone_and_makes_no_contrast_up():
    assert method().can == Abilities()


def test_a_target_is_the_style_of_its_own_image_and_nothing_beside_it():
    images, classical = visit(), method()
    code = classical.encode(images, "t2w")
    assert isinstance(code, ClassicalCode) and (code.contrast, code.style.contrast) == ("t2w", "t2w")
    expected = classical.network.encode_target(images[None, 1:2], "t2w")
    assert torch.equal(code.style.style, expected.style)
    images[0] = 7
    assert torch.equal(classical.encode(images, "t2w", when_absent=True).style.style, expected.style)
    assert classical.for_network(code) is code.style
    assert code.numbers() == {"style": expected.style.tolist()}
    assert ClassicalCode.mean([code]) is code and code.describe() == {}


def test_the_style_is_given_to_the_source_of_its_contrast():
    images, classical = visit(), method()
    sources = torch.zeros_like(images)
    sources[1] = 9 * images[1] + 3
    data = {"image": sources, "available": torch.tensor([False, True, False, False])}
    (result,) = classical.harmonize(data, [classical.encode(images, "t2w")])
    torch.testing.assert_close(result.image[0], images[1], rtol=1e-4, atol=1e-4)


def test_a_code_of_a_file_is_refused_for_these_methods_look_at_intensities():
    with pytest.raises(InputError, match="the target of mean_std must be an image, got the code siemens_3t"):
        method().read_code(StoredCode("t1w", {"theta": [0.0], "eta": [0.0]}, name="siemens_3t"))
