from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.phantom.subject import Subject
from scripts.phantom.truth import FLUID, GREY, LESION, WHITE
from scripts.sampler.colin27 import BRAIN_FILE, FOLDER, HEAD_FILE, PACKAGE, find_colin27
from scripts.sampler.map_library import LEVELS
from scripts.sampler.person_maps import TISSUES, PersonMaps, load_anatomy, render_maps


@pytest.fixture(scope="module")
def maps(patient: Subject, tmp_path_factory: pytest.TempPathFactory) -> PersonMaps:
    """The person of the other tests, as maps."""
    anatomy = load_anatomy("mni152", "nowhere", tmp_path_factory.mktemp("cache"))
    return render_maps(patient.parameters, anatomy)


def test_a_person_on_mni152_is_the_subject_of_the_same_parameters(maps: PersonMaps, patient: Subject) -> None:
    shares = maps.fractions.float() / 255
    grey, index = shares[[1, 3]].sum(0), {name: place for place, name in enumerate(TISSUES)}
    by_label = {FLUID: shares[index["csf"]], GREY: grey, WHITE: shares[index["wm"]], LESION: shares[index["lesion"]]}
    other = shares[index["other"]]
    for label, share in by_label.items():
        inside = torch.from_numpy(patient.tissues == label) & (other < 0.1) & (shares.sum(0) > 0)
        assert float((share > 0.2)[inside].float().mean()) > 0.9, label
    inside = torch.from_numpy(patient.tissues == WHITE)
    for values, wanted in zip(maps.relaxation, (patient.solid.pd, patient.solid.t1, patient.solid.t2), strict=True):
        assert torch.allclose(values[inside], wanted[inside], rtol=1e-3)


def test_fractions_fill_the_person_and_nothing_else(maps: PersonMaps) -> None:
    total = maps.fractions.sum(0, dtype=torch.int16)
    assert set(total.unique().tolist()) == {0, 255}
    assert not maps.relaxation[:, total == 0].any()
    assert 0.1 < float((total > 0).float().mean()) < 0.4


def test_wider_fluid_takes_from_grey_matter(patient: Subject, maps: PersonMaps, tmp_path: Path) -> None:
    wide = render_maps(patient.parameters, load_anatomy("mni152", "nowhere", tmp_path, fluid_mm=1.0))
    change = (wide.fractions.float() - maps.fractions.float()).mean((1, 2, 3))
    assert change[0] > 1 and change[1] < -1


def test_a_missing_colin27_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"of the Debian package {PACKAGE} .*, but .*{HEAD_FILE} is not a file"):
        load_anatomy("colin27", tmp_path, tmp_path)
    (tmp_path / HEAD_FILE).touch()
    with pytest.raises(InputError, match=f"{BRAIN_FILE} is not a file"):
        find_colin27(tmp_path)


def test_an_unknown_anatomy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`anatomy` must be one of mni152, colin27, got talairach"):
        load_anatomy("talairach", tmp_path, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not (Path(FOLDER) / BRAIN_FILE).is_file(), reason=f"Debian's {PACKAGE} is not installed")
def test_colin27_has_the_tissue_of_a_person_and_is_kept(patient: Subject, tmp_path: Path) -> None:
    anatomy = load_anatomy("colin27", FOLDER, tmp_path, **LEVELS["colin27"])
    assert (tmp_path / "colin27.npz").is_file()
    litres = render_maps(patient.parameters, anatomy).fractions.float().sum((1, 2, 3)).numpy() / 255e6
    fluid, grey, white, deep = litres[:4]
    assert 0.2 < fluid < 0.6
    assert 0.4 < grey < 0.9
    assert 0.35 < white < 0.8
    assert 0.02 < deep < 0.07
    # The two hemispheres of one person are not mirror images, as those of the symmetric template are.
    side = anatomy.levels[0].numpy()
    assert np.abs(side[10:182] - side[10:182][::-1]).mean() > 0.3
