from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scripts.base.errors import InputError
from scripts.metrics.segmentation_network import OTHER_BRAIN, SULCAL_FLUID
from scripts.segmenter.anatomies import SimulatedAnatomies, decode, encode, label_structures

from .ball_people import GREY_MATTER, VENTRICLES, WHITE_MATTER, BallPhantom


def test_regions_keep_their_labels_and_the_rest_of_the_brain_has_two():
    # Outside, sulcal fluid, ventricles, pallidum, cortex.
    tissues, regions = np.array([0, 1, 1, 3, 2]), np.array([0, 0, 1, 0, 3])
    assert label_structures(tissues, regions).tolist() == [0, SULCAL_FLUID, 1, OTHER_BRAIN, 3]


def test_a_person_in_bytes_is_within_a_step_of_the_numbers():
    rng = np.random.default_rng(0)
    density, fluid = rng.uniform(0, 1.2, 99), rng.uniform(0, 1, 99)
    t1, depth = np.exp(rng.uniform(np.log(0.25), np.log(4.5), 99)), rng.uniform(-7, 7, 99)
    person = SimpleNamespace(
        solid=SimpleNamespace(pd=torch.tensor(density), t1=torch.tensor(t1)),
        fluid=torch.tensor(fluid),
        surface_mm=torch.tensor(depth),
        tissues=np.zeros(99, np.uint8),
        regions=np.zeros(99, np.uint8),
    )
    for found, exact, step in zip(
        decode(encode(person)[:4]), (density, np.log(t1), fluid, depth), (0.005, 0.013, 0.004, 0.063), strict=True
    ):
        np.testing.assert_allclose(found, exact, atol=step / 2 + 1e-9)


def test_a_person_is_simulated_once_and_kept(balls: SimulatedAnatomies, monkeypatch: pytest.MonkeyPatch):
    first = np.array(balls.read(1))
    assert {0, VENTRICLES, GREY_MATTER, WHITE_MATTER} == set(np.unique(first[-1]))
    monkeypatch.setattr(BallPhantom, "render_subject", None)
    again = SimulatedAnatomies(balls.folder, people=30, held_out=1, phantom=BallPhantom())
    np.testing.assert_array_equal(again.read(1), first)
    with pytest.raises(TypeError):
        again.read(30)


def test_people_of_another_plan_and_damaged_files_are_refused(balls: SimulatedAnatomies, tmp_path):
    balls.read(1)
    with pytest.raises(InputError, match="must hold people of the plan {'seed': 2"):
        SimulatedAnatomies(balls.folder, seed=2, phantom=BallPhantom()).read(1)
    damaged = SimulatedAnatomies(tmp_path, phantom=BallPhantom())
    damaged.read(1)
    (tmp_path / "person-0001.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="person-0001.npy must hold a simulated person; remove it"):
        damaged.read(1)


def test_numbers_of_people_are_checked():
    with pytest.raises(InputError, match="`people` must be a whole number of at least 1, got 0"):
        SimulatedAnatomies("anywhere", people=0)
