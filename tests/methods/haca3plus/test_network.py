import torch

from scripts.methods.haca3plus.curve import apply_curve, slopes
from scripts.methods.haca3plus.network import Drawn

from .tiny import SIZE, tiny_codes, tiny_network, tiny_slices


def draw(network, image, target, available=None) -> Drawn:
    available = image.flatten(2).any(2).float() if available is None else available
    sources = tiny_codes(network, image)
    with torch.no_grad():
        return network.draw(image, network.see(image, sources, available), target, sources, available, None)


def test_first_output_is_the_percentile_match():
    network, image = tiny_network(), tiny_slices()
    target = tiny_codes(network, tiny_slices(1))[:, 2]
    percentiles = network.layout.percentiles
    p, q = percentiles(tiny_codes(network, image)[:, 2]), percentiles(target)
    expected = apply_curve(image[:, 2:3], p, slopes(p, q))
    shown = image[:, 2:3] > 0
    assert torch.equal(draw(network, image, target).image[shown], expected[shown])


def test_own_code_changes_nothing():
    network, image = tiny_network(learned=True), tiny_slices()
    output = draw(network, image, tiny_codes(network, image)[:, 2]).image
    shown = image[:, 2:3] > 0
    torch.testing.assert_close(output[shown], image[:, 2:3][shown])


def test_nothing_is_invented_where_no_source_shows_anything():
    network, image = tiny_network(learned=True), tiny_slices()
    output = draw(network, image, tiny_codes(network, image)[:, 0]).image
    assert not output[~image.any(1, keepdim=True)].any()
    assert output[image.any(1, keepdim=True)].any()


def test_absent_contrast_is_the_decoded_image():
    network, image = tiny_network(learned=True), tiny_slices()
    target = tiny_codes(network, tiny_slices(1))[:, 0]
    available = torch.tensor([[0.0, 1, 1, 1], [0, 1, 1, 0]])
    drawn = draw(network, image, target, available)
    assert torch.equal(drawn.image, drawn.decoded)
    assert not drawn.alpha[:, 0].any()


def test_absent_contrast_does_not_show():
    network, image = tiny_network(learned=True), tiny_slices()
    available = torch.tensor([[0.0, 1, 1, 1], [0, 1, 1, 0]])
    target = tiny_codes(network, tiny_slices(1))[:, 0]
    sources = tiny_codes(network, image)
    other = image.clone()
    other[:, 0] = 0.5
    with torch.no_grad():
        first, second = (network(each, target, sources, available) for each in (image, other))
    assert torch.equal(first, second)


def test_source_cropped_in_part_is_decoded_there():
    network, image = tiny_network(learned=True), tiny_slices()
    drawn = draw(network, image, tiny_codes(network, tiny_slices(1))[:, 1])
    cropped = (image[:, 1:2] == 0) & image.any(1, keepdim=True)
    assert cropped.any()
    assert torch.equal(drawn.image[cropped], drawn.decoded[cropped])


def test_cut_slice_gives_what_the_whole_one_gives():
    network, image = tiny_network(learned=True), tiny_slices()
    sources, target = tiny_codes(network, image), tiny_codes(network, tiny_slices(1))[:, 0]
    rows, columns = slice(8, 32), slice(12, 40)
    with torch.no_grad():
        whole = network(image, target, sources)
        cut = network(image[:, :, rows, columns], target, sources)
    assert network.step == 4
    torch.testing.assert_close(cut, whole[:, :, rows, columns], rtol=1e-4, atol=1e-5)


def test_batch_of_slices_gives_what_each_gives():
    network, image = tiny_network(learned=True), tiny_slices()
    sources, target = tiny_codes(network, image), tiny_codes(network, tiny_slices(1))[:, 0]
    with torch.no_grad():
        both = network(image, target, sources)
        each = torch.cat([network(image[i : i + 1], target[i : i + 1], sources[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(both, each, rtol=1e-4, atol=1e-5)


def test_sources_in_another_order_or_without_the_absent_one():
    network, image = tiny_network(learned=True), tiny_slices()
    sources, target = tiny_codes(network, image), tiny_codes(network, tiny_slices(1))[:, 0]
    order = [2, 0, 1]
    with torch.no_grad():
        usual = network(image[1:], target[1:], sources[1:])
        turned = network(image[1:, order], target[1:], sources[1:, order])
    torch.testing.assert_close(turned, usual, rtol=1e-4, atol=1e-5)


def test_attention_adds_up_and_stays_with_what_shows_something():
    network, image = tiny_network(learned=True), tiny_slices()
    alpha = draw(network, image, tiny_codes(network, image)[:, 0]).alpha
    torch.testing.assert_close(alpha.sum(1), torch.ones(2, SIZE, SIZE))
    assert not alpha[(image == 0) & image.any(1, keepdim=True)].any()
    nowhere = ~image[1].any(0)
    assert (alpha[1, :3, nowhere] == 1 / 3).all()


def test_one_image_is_enough():
    network = tiny_network(learned=True)
    with torch.no_grad():
        output = network(tiny_slices())
    assert output.shape == (2, 1, SIZE, SIZE)
    assert output.isfinite().all()


def test_script_gives_the_same():
    network, image = tiny_network(learned=True), tiny_slices()
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image), rtol=1e-5, atol=1e-6)


def test_codes_hold_what_is_given_and_can_be_averaged():
    network, image = tiny_network(learned=True), tiny_slices()
    codes = tiny_codes(network, image)
    layout = network.layout
    assert torch.equal(layout.contrast(codes)[0], torch.eye(4))
    mean = codes[:, 0].mean(0)
    assert torch.equal(layout.contrast(mean), torch.eye(4)[0])
    expected = layout.percentiles(codes[:, 0]).mean(0)
    assert torch.equal(layout.percentiles(mean), expected)
    assert torch.equal(torch.cat([layout.theta(mean), layout.eta(mean), expected, layout.contrast(mean)]), mean)


def test_eta_of_the_target_changes_nothing():
    network, image = tiny_network(learned=True), tiny_slices()
    target = tiny_codes(network, tiny_slices(1))[:, 0]
    other = target.clone()
    network.layout.eta(other).add_(1)
    assert torch.equal(draw(network, image, target).image, draw(network, image, other).image)


def test_same_seed_gives_the_same_network():
    image = tiny_slices()
    with torch.no_grad():
        assert torch.equal(tiny_network(3)(image), tiny_network(3)(image))
