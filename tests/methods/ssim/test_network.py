import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.ssim.discriminators import ImageDiscriminator, StructureDiscriminator
from scripts.methods.ssim.generator import adapt
from scripts.methods.ssim.network import SsimNet, StyleCode
from scripts.methods.ssim.sizes import Sizes
from scripts.methods.ssim.translation import translate

from .tiny import SIZES, STYLES, tiny_net


@pytest.fixture
def image() -> torch.Tensor:
    """Volumes none of whose sides can be halved."""
    image = torch.rand(2, 1, 9, 11, 7, generator=torch.Generator().manual_seed(0)) + 0.1
    image[..., 0] = 0
    return image


def test_volumes_of_any_size_are_made_of_structure_and_style(image):
    net = tiny_net()
    structure, style = net.structure(image), net.style(image)
    assert structure.shape == (2, 4, 5, 6, 4)
    assert (style.mean.shape, style.log_variance.shape, style.labels.shape) == ((2, 2), (2, 2), (2, 5))
    made = net.generate(structure, style.mean, style.labels, image > 0)
    assert made.shape == image.shape
    assert made.min() == 0 < made.max() < net.white
    assert not made[..., 0].any()


def test_structure_has_no_gain_but_style_has(image):
    net = tiny_net()
    inner = image[..., 1:]
    torch.testing.assert_close(net.structure(1.7 * inner), net.structure(inner), atol=2e-3, rtol=0)
    assert not torch.allclose(net.style(1.7 * inner).labels, net.style(inner).labels)


def test_labels_and_noise_change_what_is_made_and_the_default_is_the_style_of_no_place(image):
    net = tiny_net()
    zero = torch.zeros(1, 2)
    first, second = (net(image, StyleCode(zero, vector)) for vector in net.vectors[:2].split(1))
    assert not torch.equal(first, second)
    assert not torch.equal(first, net(image, StyleCode(torch.ones(1, 2), net.vectors[:1])))
    assert torch.equal(net(image), net(image, StyleCode(zero, net.agnostic)))
    own = StyleCode(net.style(image).mean[:1], net.vectors[:1])
    torch.testing.assert_close(net(image, StyleCode(None, net.vectors[:1]))[:1], net(image[:1], own))


def test_labels_are_those_of_site_and_scanner():
    net = tiny_net()
    assert net.labels == ("scanner:A", "scanner:B", "scanner:C.5", "site:S", "site:T")
    assert net.labels_of_places(["T", "S"], ["C.5", "B"]).tolist() == [[-1, -1, 1, -1, 1], [-1, 1, -1, 1, -1]]
    assert (net.agnostic == -1).all()
    one_of_three = SsimNet([["scanner:A"], ["scanner:B"], ["scanner:C"]], Sizes(**SIZES))
    assert one_of_three.labels_of_places(["S"], ["B"]).tolist() == [[-1, 1, -1]]


def test_adain_gives_the_mean_and_deviation_that_are_asked_for():
    features = torch.rand(1, 2, 6, 6, 6, generator=torch.Generator().manual_seed(0))
    found = adapt(features, torch.tensor([[1.0, 0.0]]), torch.tensor([[5.0, -1.0]])).flatten(2)
    assert found.mean(2)[0].tolist() == pytest.approx([5, -1], abs=1e-4)
    assert found.std(2)[0].tolist() == pytest.approx([2, 1], rel=1e-2)


def test_discriminators_judge_at_every_scale(image):
    net = tiny_net()
    judged = ImageDiscriminator(5, width=2, halvings=1, scales=2)(image)
    assert [tuple(real.shape) for real in judged.real] == [(2, 1, 4, 5, 3), (2, 1, 2, 2, 1)]
    assert [labels.shape for labels in judged.labels] == [(2, 5)] * 2
    structures = StructureDiscriminator(5, net.sizes, layers=1)(net.structure(image))
    assert len(structures.real) == 1 and structures.labels[0].shape == (2, 5)


def test_a_translation_has_a_partner_whose_labels_it_takes_or_none(image):
    net = tiny_net()
    own = net.vectors[:2]
    torch.manual_seed(1)
    made = [translate(net, image, own, share) for share in (1e-9, 1 - 1e-9)]
    assert torch.equal(made[0].target, own.flip(0)) and torch.equal(made[0].partner, image.flip(0))
    assert (made[1].target == -1).all()
    with pytest.raises(InputError, match="`batch_size` must be at least 2, so that an image has a partner, got 1"):
        translate(net, image[:1], own[:1], 0.2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"styles": [["site:Oslo"]]}, "`styles` must be at least two, all different, got site:Oslo"),
        ({"styles": [["site:Oslo"]] * 2}, "`styles` must be at least two, all different"),
        ({"styles": ["site:Oslo", "site:Bergen"]}, "`styles` must be lists of labels such as"),
        ({"styles": STYLES, "contrast": "T1"}, "`contrast` must be one of t1w, t2w, pd, flair, got T1"),
        ({"styles": STYLES, "white": 0}, "`white` must be above 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        SsimNet(**wrong)


def test_wrong_sizes_are_refused():
    with pytest.raises(InputError, match="`width` must be a whole number of at least 1, got 0"):
        Sizes(width=0)
    with pytest.raises(InputError, match="`up_kernel` must be odd, got 4"):
        Sizes(up_kernel=4)
