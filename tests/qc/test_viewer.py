import base64
import gzip

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.qc.niivue import NiiVue, find_niivue
from scripts.qc.planes import Box
from scripts.qc.viewer import embed

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


def test_the_installed_package_carries_niivue():
    niivue = find_niivue()
    assert niivue.package.startswith("ipyniivue ")
    assert "export{" in niivue.module and "Niivue" in niivue.module
