import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from scripts.base.contrasts import CONTRASTS
from scripts.base.errors import InputError
from scripts.bench.slice_sampler import measure
from scripts.sampler.artifacts import ArtifactLaw
from scripts.sampler.map_file import read_volume_maps
from scripts.sampler.map_library import MapLibrary
from scripts.sampler.map_volumes import render_volume
from scripts.sampler.plan import LAYOUT, SliceLaw
from scripts.sampler.scanner_law import ScannerLaw
from scripts.sampler.slice_sampler import PERCENTILES, SliceSampler

from .small_library import small_maker

WINDOW = (48, 40)
IMAGES = ("source", "truth", "target_image", "source_other")
UNDISTURBED = {
    "scanners": ScannerLaw(noise_factor=0, bias_factor=0, pool=20),
    "artifacts": ArtifactLaw(share=0),
    "slices": SliceLaw(WINDOW, cropped=0, contrast_dropout=0, same_scanner=1, mirror=0, anywhere=0),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> MapLibrary:
    return MapLibrary(small_maker(tmp_path_factory.mktemp("library"), people=10).run())


@pytest.fixture(scope="module")
def sampler(library: MapLibrary) -> SliceSampler:
    return SliceSampler(library, batch=6, slices=SliceLaw(WINDOW), scanners=ScannerLaw(pool=20))


def test_a_batch_is_what_its_description_says(sampler: SliceSampler) -> None:
    plan = sampler.draw(3)
    batch = sampler.render(plan)
    for name in IMAGES:
        assert batch[name].shape == (6, 4, *WINDOW)
        assert batch[name].dtype == torch.float32
        assert batch[name].min() >= 0 and batch[name].max() <= 5
    background = batch["foreground"][:, None] == 0
    for name in ("source", "truth"):
        assert not (batch[name] * background).any()
    assert torch.equal(batch["source"].flatten(2).any(2), batch["available"])
    assert torch.allclose(batch["tissue"].sum(1), batch["foreground"], atol=1e-5)
    assert batch["source_percentiles"].shape == (6, 4, len(PERCENTILES))
    assert (batch["target_percentiles"].diff() >= 0).all()
    assert (batch["severity"][~batch["available"]] == 0).all()
    assert batch["available"].any(1).all()


def test_batches_follow_from_seed_and_step(sampler: SliceSampler) -> None:
    first, again, other = (sampler.render(sampler.draw(step)) for step in (2, 2, 3))
    for name in IMAGES:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
    reseeded = replace(sampler, seed=5)
    assert not torch.equal(first["source"], reseeded.render(reseeded.draw(2))["source"])


def test_workers_give_the_same_batches_in_the_same_order(sampler: SliceSampler) -> None:
    short = replace(sampler, steps=4, batch=2)
    alone = [batch["source"] for batch in short]
    loaded = [batch["source"] for batch in DataLoader(short, batch_size=None, num_workers=2)]
    assert len(alone) == len(loaded) == 4
    assert all(torch.equal(one, two) for one, two in zip(alone, loaded, strict=True))


def test_a_batch_holds_as_many_people_as_samples(sampler: SliceSampler) -> None:
    batch = sampler.draw(0).people
    assert len(set(batch[:, 0].tolist())) == 6
    plans = [replace(sampler, slices=SliceLaw(WINDOW, other_person=1)).draw(step) for step in range(10)]
    assert all((plan.people[:, 0] != plan.people[:, 2]).all() for plan in plans)
    assert set(np.concatenate([plan.people.ravel() for plan in plans]).tolist()) <= set(sampler.maps.training)


def test_people_are_held_out(sampler: SliceSampler) -> None:
    held_out = replace(sampler, held_out=True)
    assert set(held_out.draw(0).people.ravel().tolist()) <= set(sampler.maps.validation)


def test_truth_is_the_source_where_nothing_disturbs_and_the_scanner_is_the_same(library: MapLibrary) -> None:
    sampler = SliceSampler(library, batch=4, **UNDISTURBED)
    batch = sampler.render(sampler.draw(0))
    assert batch["same_scanner"].all()
    assert batch["truth"].max() > 0.5
    assert torch.allclose(batch["source"], batch["truth"], atol=1e-5)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("scanners", {"noise_factor": 1.0}),
        ("scanners", {"bias_factor": 1.0}),
        ("slices", {"cropped": 1.0}),
        ("slices", {"contrast_dropout": 1.0}),
        *(("artifacts", {"share": 1.0, "kinds": (kind,), "severity": (0.8, 1.0)}) for kind in ("noise", "ghosting")),
        *(("artifacts", {"share": 1.0, "kinds": (kind,), "severity": (0.8, 1.0)}) for kind in ("bias_field", "motion")),
        ("artifacts", {"share": 1.0, "kinds": ("anisotropy",), "severity": (0.8, 1.0)}),
    ],
)
def test_each_disturbance_changes_the_source_and_never_the_truth(library: MapLibrary, part: str, changes: dict) -> None:
    quiet = SliceSampler(library, batch=4, **UNDISTURBED)
    disturbed = replace(quiet, **{part: replace(UNDISTURBED[part], **changes)})
    before, after = (each.render(each.draw(0)) for each in (quiet, disturbed))
    assert torch.allclose(before["truth"], after["truth"], atol=1e-6)
    shown = before["source"] > 0
    assert ((before["source"] - after["source"]).abs()[shown]).mean() > 0.003


def test_the_truth_is_the_slice_of_the_clean_volume(library: MapLibrary) -> None:
    law = ScannerLaw(shares=(0, 0, 1), curved=0, wild=0, pool=20)
    sampler = SliceSampler(
        library, batch=4, scanners=law, slices=SliceLaw(WINDOW, mirror=0, misaligned=False), voxels=3000
    )
    plan = sampler.draw(0)
    thin = {"thick": np.zeros_like(plan.scanners.thick), "slice_mm": np.ones_like(plan.scanners.slice_mm)}
    sharp = {"apodization": np.zeros_like(plan.scanners.noise), "sharpening": np.zeros_like(plan.scanners.noise)}
    plan = replace(plan, scanners=replace(plan.scanners, **thin, **sharp, in_plane_mm=thin["slice_mm"]))
    batch = sampler.render(plan)
    for sample in range(4):
        volume = render_volume(library, int(plan.people[sample, 0]), plan.scanners, 4 + sample, clean=True)
        axis = int(plan.axes[sample, 0])
        along, across, reverse = LAYOUT[axis]
        slice_ = np.take(volume, int(plan.positions[sample, 0]), axis=1 + axis)
        slice_ = slice_ if along < across else slice_.transpose(0, 2, 1)
        top, left = plan.corners[sample, 0] + 100
        window = np.pad(slice_, ((0, 0), (100, 100), (100, 100)))[:, top : top + WINDOW[0], left : left + WINDOW[1]]
        window = window[:, ::-1] if reverse else window
        truth = batch["truth"][sample].numpy()
        scale = (truth * window).sum((1, 2)) / (window**2).sum((1, 2))
        # Where the volume's percentile falls between two tissues, voxels do not tell it well.
        assert np.abs(scale - 1).max() < 0.25
        assert np.abs(truth - scale[:, None, None] * window).max() < 0.02


def test_percentiles_of_voxels_are_those_of_the_volume(library: MapLibrary) -> None:
    law = ScannerLaw(shares=(1, 0, 0), pool=20)
    sampler = SliceSampler(library, batch=4, scanners=law, slices=SliceLaw(WINDOW, contrast_dropout=0), voxels=3000)
    plan = sampler.draw(1)
    batch = sampler.render(plan)
    for sample in range(3):
        person = int(plan.people[sample, 2])
        inside = read_volume_maps(library.files[person])[1].any(axis=0)
        volumes = render_volume(library, person, plan.scanners, 4 + sample)
        for contrast, volume in enumerate(volumes):
            wanted = np.percentile(volume[inside], PERCENTILES)
            found = batch["target_percentiles"][sample, contrast].numpy()
            # From the tenth percentile to the ninetieth; relative to the whole range.
            assert np.abs(found - wanted)[2:7].max() < 0.08 * wanted[-1], (person, CONTRASTS[contrast])


def test_truth_in_the_units_of_the_target(library: MapLibrary) -> None:
    own = SliceSampler(library, batch=4, slices=SliceLaw(WINDOW), scanners=ScannerLaw(curved=0, pool=20), upper=100.0)
    of_target = replace(own, truth_units="target")
    first, second = own.render(own.draw(0)), of_target.render(of_target.draw(0))
    assert torch.allclose(first["truth"] * first["truth_in_target"][..., None, None], second["truth"], rtol=1e-4)
    assert not torch.allclose(first["truth"], second["truth"], rtol=1e-2)


def test_windows_lie_over_the_brain(library: MapLibrary) -> None:
    sampler = SliceSampler(library, batch=6, slices=SliceLaw((32, 32), anywhere=0), scanners=ScannerLaw(pool=20))
    shares = [sampler.render(sampler.draw(step))["tissue"][:, :5].sum(1).mean() for step in range(5)]
    assert min(shares) > 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "`batch` must be a whole number of at least 1, got 0"),
        ({"percentiles": (5, 101)}, "`percentiles` must be between 0 and 100, got"),
        ({"truth_units": "mine"}, "`truth_units` must be one of own, target, got mine"),
    ],
)
def test_wrong_settings_are_refused(library: MapLibrary, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sampler = SliceSampler(library, **changes)
        sampler.render(sampler.draw(0))


def test_wrong_laws_are_refused() -> None:
    with pytest.raises(InputError, match="`window` must be two numbers from 8 to 256, got"):
        SliceLaw(window=(4, 128))
    with pytest.raises(InputError, match="`contrast_dropout` must be between 0 and 1, got 2"):
        SliceLaw(contrast_dropout=2)
    with pytest.raises(InputError, match="`shares` of scanners must be one for each of realistic, wide, classes, got"):
        ScannerLaw(shares=(1, 1))
    with pytest.raises(InputError, match="artifact `kinds` must be among .*, got blur"):
        ArtifactLaw(kinds=("blur",))


def test_the_bench_measures(sampler: SliceSampler) -> None:
    found = measure(sampler, batches=2)
    assert 0 < found["fastest_ms"] <= found["median_ms"]
    assert found["samples_per_second_and_core"] == pytest.approx(1000 / found["median_ms"])


def test_planes_take_turns(sampler: SliceSampler) -> None:
    seen = set(itertools.chain.from_iterable(sampler.draw(step).axes.ravel().tolist() for step in range(5)))
    assert seen == {0, 1, 2}
    axial = replace(sampler, slices=SliceLaw(WINDOW, planes=(0, 0, 1)))
    assert (axial.draw(0).axes == 2).all()


def test_others_are_exchanged_for_people_of_the_same_kind(library: MapLibrary) -> None:
    def unlike(alike: float) -> tuple[int, int]:
        sampler = SliceSampler(library, batch=6, slices=SliceLaw(WINDOW, other_person=1, alike=alike))
        persons = np.concatenate([sampler.draw(step).people for step in range(10)])
        assert (persons[:, 0] != persons[:, 2]).all() and set(persons.ravel()) <= set(library.training)
        heads = {number: library.about(number)["parameters"]["head"] for number in library.files}
        assert sum(heads[number] for number in library.training) > 1
        return sum(heads[own] != heads[other] for own, _, other in persons.tolist()), len(persons)

    assert unlike(1.0)[0] == 0
    often, half = unlike(0.0)[0], unlike(0.5)[0]
    assert 0 < half < often
