import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.ssim.field import Field, FieldStream, LargerVoxels, enlarge_voxels, field_around, shrink_voxels
from scripts.methods.ssim.inferer import FieldInferer
from scripts.methods.ssim.network import StyleCode

from ...training.box_stream import BoxScans
from .tiny import tiny_net


def ball(shape: tuple[int, ...] = (20, 22, 18), middle: tuple[int, ...] = (5, 11, 9)) -> torch.Tensor:
    """A source (4, X, Y, Z) near a border of the grid, in its first channel."""
    places = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij")).float()
    shown = (places - torch.tensor(middle)[:, None, None, None]).norm(dim=0) < 5
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return torch.stack([shown * (0.5 + noise), *torch.zeros(3, *shape)])


def test_a_box_lies_around_what_is_shown_and_goes_back_where_it_was():
    shown = ball()[0] > 0
    field = field_around(shown, (16, 8, 8), step=4)
    assert field == Field((-3, 7, 5), (16, 8, 8))
    volume = torch.rand(20, 22, 18, generator=torch.Generator().manual_seed(0))
    part = field.cut(volume)
    assert part.shape == (16, 8, 8) and not part[:3].any()
    back = field.put_back(part, volume.shape)
    assert torch.equal(back[:13, 7:15, 5:13], volume[:13, 7:15, 5:13]) and not back[13:].any()
    grown = field_around(shown, (4, 4, 4), step=4, grows=True)
    assert grown.size == (12, 12, 12) and torch.equal(
        field_around(shown, (4, 4, 4), 4, True).cut(shown).sum(), shown.sum()
    )


def test_larger_voxels_are_means_and_a_constant_survives_both_ways():
    image = torch.arange(8.0).reshape(1, 1, 2, 2, 2)
    assert enlarge_voxels(image, 2).item() == 3.5
    constant = torch.full((1, 1, 4, 4, 4), 0.7)
    torch.testing.assert_close(shrink_voxels(enlarge_voxels(constant, 2), 2), constant)
    sample = {"image": image[0], "subject": "s", "scanner": "A", "site": "S", "mask": image}
    assert LargerVoxels(2)(sample).keys() == {"image", "subject", "scanner", "site"}
    assert LargerVoxels(2)(sample)["image"].shape == (1, 1, 1, 1)


def test_a_stream_gives_whole_boxes_or_patches():
    options = {"contrasts": ["t1w"], "patch_size": [6, 20, 4], "rounds": 1, "buffer_size": 1}
    whole = list(FieldStream(BoxScans(count=2), **options))
    assert [tuple(sample["image"].shape) for sample in whole] == [(1, 6, 8, 4)] * 2
    assert whole[0]["corner"].tolist() == [1, 0, 2]
    patches = FieldStream(BoxScans(count=2), whole=False, patches=3, **options)
    assert len(list(patches)) == 6 and patches.samples_per_scan == 3


@pytest.mark.parametrize("options", [{}, {"voxel_mm": 2}, {"whole": False}, {"precision": "bf16"}])
def test_what_is_0_stays_0_and_the_rest_is_harmonized(options):
    net, image = tiny_net(), ball()
    target = StyleCode(torch.zeros(1, 2), net.vectors[:1])
    (result,) = FieldInferer((8, 8, 8), **options).harmonize(image, net, [target])
    assert result.image.shape == (1, 20, 22, 18) and result.image.dtype == torch.float32
    assert not result.image[0, image[0] == 0].any()
    assert (result.image[0, image[0] > 0] > 0).any()
    (again,) = FieldInferer((8, 8, 8), **options).harmonize(image, net, [target])
    assert torch.equal(result.image, again.image)


def test_one_window_that_holds_all_is_the_whole_volume():
    net, image = tiny_net(), ball()
    target = StyleCode(None, net.vectors[:1])
    results = [FieldInferer((12, 12, 12), whole=whole).harmonize(image, net, [target])[0] for whole in (True, False)]
    torch.testing.assert_close(results[1].image, results[0].image, atol=1e-5, rtol=0)


def test_detail_that_large_voxels_do_not_show_is_the_sources():
    net, image = tiny_net(), ball()
    inferer, target = FieldInferer((12, 12, 12), voxel_mm=2), StyleCode(torch.zeros(1, 2), net.vectors[:1])
    (result,) = inferer.harmonize(image, net, [target])
    field = field_around(image[0] > 0, (12, 12, 12), 2, grows=True)
    part, made = field.cut(image[:1])[None], field.cut(result.image)[None]
    seen = enlarge_voxels(part, 2)
    expected = shrink_voxels(net(seen, target), 2) + part - shrink_voxels(seen, 2)
    torch.testing.assert_close(made, expected.clamp(min=0) * (part > 0))


def test_an_absent_contrast_and_wrong_settings_are_refused():
    net = tiny_net()
    with pytest.raises(InputError, match="the t1w image must have voxels above 0, but it is missing or empty"):
        FieldInferer((8, 8, 8)).harmonize(torch.zeros(4, 8, 8, 8), net, [None])
    for wrong, words in (
        ({"field": (8, 9, 8), "voxel_mm": 2}, r"`field` must be three numbers that are multiples of `voxel_mm`, 2"),
        ({"overlap": 1}, "`overlap` must be at least 0 and below 1, got 1"),
        ({"precision": "fp8"}, "`precision` must be one of fp32, bf16, got fp8"),
        ({"voxel_mm": 0}, "`voxel_mm` must be a whole number of at least 1, got 0"),
    ):
        with pytest.raises(InputError, match=words):
            FieldInferer(**wrong)
