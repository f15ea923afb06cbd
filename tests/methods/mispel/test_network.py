import pytest
import torch

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.methods.mispel.network import EmbeddingUNet, LinearDecoder, Mispel

SCANNERS = ("A", "B", "C 1.5T")


def network(**options) -> Mispel:
    torch.manual_seed(0)
    return Mispel(**{"scanners": SCANNERS, "width": 2, **options})


def sources(scan: torch.Tensor, contrast: str = "t1w") -> torch.Tensor:
    """Slices (B, H, W) as one contrast of four."""
    stack = torch.zeros(len(scan), len(CONTRASTS), *scan.shape[1:])
    stack[:, CONTRASTS.index(contrast)] = scan
    return stack


def test_the_published_size():
    assert sum(p.numel() for p in EmbeddingUNet().parameters()) == 518_854
    assert sum(p.numel() for p in LinearDecoder().parameters()) == 6


def test_embeddings_are_as_large_as_the_slice_whatever_its_size():
    assert network(embeddings=4).embed(torch.rand(2, 3, 13, 18)).shape == (2, 3, 4, 13, 18)


def test_the_decoder_is_the_linear_combination():
    decoder = LinearDecoder(embeddings=2)
    decoder.gamma.data = torch.tensor([2.0, -3.0])
    embeddings = torch.tensor([[[[1.0, 2.0]], [[4.0, 0.5]]]])
    # 2 * 1 - 3 * 4 and 2 * 2 - 3 * 0.5.
    assert decoder(embeddings).tolist() == [[[[-10.0, 2.5]]]]


def test_a_scan_goes_through_the_networks_of_its_scanner():
    net, scans = network(), torch.rand(2, 3, 16, 16) + 0.1
    together = net.decode(net.embed(scans)).relu()
    for index, scanner in enumerate(SCANNERS):
        torch.testing.assert_close(net(sources(scans[:, index]), scanner)[:, 0], together[:, index])


def test_what_is_0_stays_0_and_nothing_is_negative():
    scan = torch.rand(1, 16, 16)
    scan[:, :5] = 0
    image = network()(sources(scan), "B")
    assert not image[:, :, :5].any()
    assert image.min() == 0


def test_weights_of_other_scanners_or_of_another_contrast_do_not_fit():
    state = network().state_dict()
    network().load_state_dict(state)
    network(scanners=SCANNERS[::-1]).load_state_dict(state)
    for other in ({"scanners": ("A", "B", "D")}, {"contrast": "flair"}):
        with pytest.raises(RuntimeError, match="Missing key"):
            network(**other).load_state_dict(state)


@pytest.mark.parametrize(
    ("contrast", "scanner", "words"),
    [
        ("t1w", "D", "a scan must be of a scanner that MISPEL was trained on, A, B, C 1.5T, got D"),
        ("t1w", None, "a scan must be of a scanner .* A, B, C 1.5T, got None"),
        ("flair", "A", "`contrast` must be the one that MISPEL was trained on, t1w, got flair"),
    ],
)
def test_scans_that_it_does_not_know_are_refused(contrast, scanner, words):
    with pytest.raises(InputError, match=words):
        network().known_scanner(contrast, scanner)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scanners": ["A"]}, r"`scanners` must be at least two names, all different, got \['A'\]"),
        ({"scanners": ["A", "A"]}, "`scanners` must be at least two names"),
        ({"contrast": "dwi"}, "`contrast` must be one of t1w, t2w, pd, flair, got dwi"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        network(**options)
