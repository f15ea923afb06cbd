import base64
import gzip
import re
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import nibabel
import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.qc.comparison import Box, compare
from scripts.qc.viewer import NiiVue, embed, find_module, find_niivue, offered_volumes

from .small_subject import harmonized, small_subject, textured

MODULE = NiiVue(module="export{Niivue}", package="some package 1.0")
BOX = Box((10, 20, 30), (14, 25, 36))


def volume() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (4, 5, 6)).astype(np.float32)


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def test_volumes_are_nifti_files_in_their_place_with_8_bits():
    embedded = embed(MODULE, {"before": (volume(), BOX)}, 1e6)
    assert embedded is not None
    assert unpacked(embedded.module) == b"export{Niivue}"
    assert embedded.millimeters == 1
    image = nibabel.Nifti1Image.from_bytes(unpacked(embedded.volumes["before"]))
    np.testing.assert_array_equal(image.affine, BOX.affine)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(np.asarray(image.dataobj) / 255, volume(), atol=0.5 / 255 + 1e-6)


def test_too_large_volumes_are_averaged_until_they_fit():
    rng = np.random.default_rng(0)
    large, box = rng.uniform(0, 1, (40, 40, 40)).astype(np.float32), Box((0, 0, 0), (40, 40, 40))
    whole = embed(MODULE, {"before": (large, box)}, 1e6)
    assert whole is not None
    halved = embed(MODULE, {"before": (large, box)}, whole.size - 1)
    assert halved is not None
    assert halved.millimeters == 2
    assert halved.size < whole.size
    image = nibabel.Nifti1Image.from_bytes(unpacked(halved.volumes["before"]))
    means = large.reshape(20, 2, 20, 2, 20, 2).mean((1, 3, 5))
    np.testing.assert_allclose(np.asarray(image.dataobj) / 255, means, atol=0.5 / 255 + 1e-6)
    # The middle of the first block of 2 x 2 x 2 voxels.
    np.testing.assert_allclose(image.affine @ [0, 0, 0, 1], box.affine @ [0.5, 0.5, 0.5, 1])


def test_what_cannot_fit_is_left_out():
    assert embed(MODULE, {"before": (volume(), BOX)}, 10) is None


def test_a_missing_package_is_named_with_the_way_to_install_it_or_to_go_without():
    words = r"the package no_such_viewer: pip install -r requirements-report.txt, or .* --report#viewer_megabytes 0"
    with pytest.raises(InputError, match=words):
        find_niivue("no_such_viewer")


def test_a_package_without_a_viewer_is_refused():
    with pytest.raises(InputError, match="installed numpy .* must carry a NiiVue that stands alone"):
        find_niivue("numpy")


def test_the_pinned_package_is_the_installed_one_and_carries_niivue():
    requirements = (Path(__file__).parents[2] / "requirements-report.txt").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^ipyniivue==(.+)$", requirements, re.M)
    assert version("ipyniivue") == pinned
    niivue = find_niivue()
    assert niivue.package == f"ipyniivue {pinned}"
    # What assets/viewer.js takes from the module.
    (exported,) = re.findall(r"export\s*{([^}]*)}", niivue.module)
    assert {"Niivue", "NVImage"} <= {name.split(" as ")[-1].strip() for name in exported.split(",")}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("/* padding */" * 80_000 + "export{a as Niivue}", True),
        ("/* padding */" * 80_000 + "export{a as NiivueElement}", False),
        ("export{a as Niivue}", False),
    ],
    ids=["a module", "a module of another thing", "a short text"],
)
def test_a_widget_of_another_release_is_taken_only_if_it_holds_the_module(code, found):
    widget = f'var x="short",template="{quote(code)}";'
    assert find_module(widget) == (code if found else None)
    assert find_module(f"var template=`{code}`;") is None


def test_the_viewer_offers_every_source_once_then_targets_and_results():
    subject = small_subject(t1w=textured(), flair=2 * textured(1))
    comparisons = {
        "T1w": compare(subject, harmonized(textured()), "t1w", "t1w", torch.from_numpy(textured(3))),
        "FLAIR": compare(subject, harmonized(5 * textured()), "flair", "flair", None),
    }
    offered = offered_volumes(comparisons)
    assert list(offered) == ["source T1w", "source FLAIR", "target T1w", "harmonized T1w", "harmonized FLAIR"]
    # A source is in the window of the result of its own contrast.
    assert offered["source FLAIR"][0] is comparisons["FLAIR"].before
    embedded = embed(MODULE, offered, 1e6)
    assert embedded is not None and embedded.first_choice == ("source T1w", "harmonized T1w")
