import torch
from torch.nn.functional import avg_pool3d

from scripts.transforms.carry_detail import CarryDetaild, carry_detail

SETTINGS = {"radius": 8, "coarseness": 4, "epsilon": 1e-6}


def noise() -> torch.Tensor:
    return torch.rand(24, 20, 22, generator=torch.Generator().manual_seed(0)) + 0.1


def blurred(volume: torch.Tensor) -> torch.Tensor:
    return avg_pool3d(volume[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]


def test_a_straight_line_of_the_source_stays():
    source = noise()
    image = 0.5 * source + 0.2
    torch.testing.assert_close(carry_detail(image, source, **SETTINGS), image, atol=1e-3, rtol=0)


def test_detail_comes_back_that_the_image_has_lost():
    source = blurred(noise())
    wanted = 0.7 * source + 0.1
    lost = blurred(wanted)
    found = carry_detail(lost, source, **SETTINGS)
    # Less contrast than the source's, as the image has it, but in the right places.
    correlation = torch.corrcoef(torch.stack([(found - blurred(found)).flatten(), (wanted - lost).flatten()]))[0, 1]
    assert correlation > 0.99
    assert (found - wanted).square().mean() < 0.8 * (lost - wanted).square().mean()


def test_nothing_is_carried_to_where_the_source_has_ended():
    source, image = noise(), noise().flip(0)
    source[:10] = 0
    image[:, :5] = 0
    found = carry_detail(image, source, **SETTINGS)
    assert torch.equal(found[:10], image[:10])
    assert not found[:, :5].any()
    assert not torch.equal(found[10:], image[10:])


def test_a_contrast_that_is_missing_lends_no_detail():
    image = torch.stack([noise(), noise().flip(0), torch.zeros(24, 20, 22), torch.zeros(24, 20, 22)])
    pred = noise().flip(1)[None]
    data = {"image": image, "available": torch.tensor([True, True, False, False]), "pred": pred}
    assert torch.equal(CarryDetaild()({**data, "target_contrast": "flair"})["pred"], pred)
    assert not torch.equal(CarryDetaild()({**data, "target_contrast": "t2w"})["pred"], pred)
