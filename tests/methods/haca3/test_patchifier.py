import torch

from scripts.methods.haca3.patchifier import Patchifier


def test_parameters_have_the_published_names_and_shapes():
    shapes = {name: tuple(value.shape) for name, value in Patchifier().state_dict().items()}
    assert shapes == {
        "conv.0.weight": (64, 1, 32, 32),
        "conv.0.bias": (64,),
        "conv.2.weight": (128, 64, 1, 1),
        "conv.2.bias": (128,),
    }
    assert sum(parameter.numel() for parameter in Patchifier().parameters()) == 73_920


def test_a_slice_has_49_patches():
    assert Patchifier()(torch.rand(2, 1, 224, 224)).shape == (2, 128, 49)


def test_each_vector_is_of_one_patch_in_the_order_of_rows():
    torch.manual_seed(0)
    patchifier = Patchifier(patch=4, hidden=8, features=6)
    image = torch.rand(1, 1, 8, 12)
    changed = image.clone()
    changed[:, :, 4:, 4:8] += 1
    differs = (patchifier(image) != patchifier(changed)).any(1)[0]
    assert differs.tolist() == [False, False, False, False, True, False]


def test_vector_is_what_the_layers_make_of_the_patch():
    patchifier = Patchifier(patch=2, hidden=2, features=1)
    with torch.no_grad():
        patchifier.conv[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2))
        patchifier.conv[0].bias.copy_(torch.tensor([0.0, 2.0]))
        patchifier.conv[2].weight.copy_(torch.tensor([1.0, 10.0]).view(1, 2, 1, 1))
        patchifier.conv[2].bias.fill_(0.5)
        # Sums of the pixels 10 and, leaking a tenth, -8: 10 + 10 * -.8 + .5.
        features = patchifier(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    torch.testing.assert_close(features, torch.tensor([[[2.5]]]))
