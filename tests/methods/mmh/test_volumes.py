from itertools import islice
from pathlib import Path

import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.mmh.domain import TargetDomain
from scripts.methods.mmh.grid import NetworkGrid
from scripts.methods.mmh.scaling import ScaleForegroundd
from scripts.methods.mmh.style import StyleStatistics
from scripts.methods.mmh.volumes import GridVolumes, People, Remembered, TargetPairs
from scripts.training.visits import Visit, cohort_visits

from ..mispel.paired_scans import write_pairs

GRID = NetworkGrid((16, 16, 16), 2)
PREPARE = ScaleForegroundd()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, each at the sites S0 and S1."""
    return write_pairs(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def visits(cohort: Path) -> list[Visit]:
    return cohort_visits(cohort, contrasts="t1w")


def volumes(visits: list[Visit], **options) -> GridVolumes:
    return GridVolumes(visits, "t1w", PREPARE, GRID, **options)


def test_a_sample_is_a_volume_of_the_networks_grid(visits):
    sample = volumes(visits).sample(0)
    assert sample["image"].shape == (1, 16, 16, 16)
    assert sample["image"].min() == -1 and 0 < sample["image"].max() <= 1
    assert (sample["contrast"], sample["subject"], sample["site"]) == (0, "sub-01", "S0")
    assert sample["name"].endswith("t1w")


def test_a_round_has_every_volume_once_and_processes_share_it(visits):
    data = volumes(visits)
    names = [sample["name"] for sample in islice(data, 12)]
    assert len(set(names[:6])) == len(set(names[6:])) == 6 and names[:6] != names[6:]
    shared = []
    for process in (0, 1):
        data.set_epoch(1, process, processes=2)
        shared += [sample["name"] for sample in islice(data, 3)]
    assert sorted(shared) == sorted(names[:6])
    # Were there more processes than volumes, each would have some nevertheless.
    data.set_epoch(1, 7, processes=8)
    assert len(list(islice(data, 2))) == 2


def test_volumes_are_read_once_where_they_are_kept(visits, monkeypatch):
    read: list[str] = []
    original = GridVolumes._read

    def note(self: GridVolumes, visit: Visit, contrast: str) -> torch.Tensor:
        read.append(visit.name)
        return original(self, visit, contrast)

    monkeypatch.setattr(GridVolumes, "_read", note)
    for kept, count in ((200, 2), (0, 4), (1, 4)):
        read.clear()
        data = volumes(visits, kept=kept)
        for index in (0, 1, 0, 1):
            data.volume(index)
        assert len(read) == count


def test_what_was_used_last_is_kept():
    kept: Remembered[str] = Remembered(2)
    for name in "abac":
        kept.get(name, lambda: "made")
    assert list(kept.things) == ["a", "c"]


def test_pairs_are_a_source_and_an_image_of_the_target(visits):
    sources, targets = volumes(visits), volumes([visit for visit in visits if visit.site == "S1"])
    samples = list(islice(TargetPairs(sources, targets), 6))
    assert len({sample["name"] for sample in samples}) == 6
    drawn = {sample["target_name"] for sample in samples}
    assert len(drawn) > 1 and all(name in {targets.sample(i)["name"] for i in range(3)} for name in drawn)
    again = [sample["target_name"] for sample in islice(TargetPairs(sources, targets), 6)]
    assert again == [sample["target_name"] for sample in samples]


def test_contrasts_are_not_mixed(visits, cohort, tmp_path):
    flair = [Visit("a", "a", "S", "s", {"flair": next(iter(visits[0].sources.values()))})]
    with pytest.raises(InputError, match="sources must be of the target's contrast, flair, got t1w"):
        TargetPairs(volumes(visits), GridVolumes(flair, "flair", PREPARE, GRID))
    with pytest.raises(InputError, match="volumes to train on must be of t1w, the cohort has none of these"):
        volumes(flair)
    with pytest.raises(InputError, match="unknown contrast of `contrasts` `dwi`"):
        GridVolumes(visits, ["dwi"], PREPARE, GRID)


def test_people_who_are_held_out_are_not_trained_on(visits):
    people = People(visits, "03")
    assert {v.subject for v in people.train} == {"sub-01", "sub-02"} and {v.subject for v in people.validate} == {
        "sub-03"
    }
    with pytest.raises(InputError, match="`held_out` must name the subjects that training does not see"):
        People(visits, None)
    with pytest.raises(InputError, match="`held_out` must leave subjects to train on, got all: sub-01, sub-02, sub-03"):
        People(visits, "01 02 03")


def domain(visits: list[Visit], target: object, **options) -> TargetDomain:
    return TargetDomain(target, visits, "t1w", PREPARE, GRID, StyleStatistics(), **options)


def test_a_domain_may_be_a_site(visits):
    found = domain(visits, "site:S1")
    assert [visit.site for visit in found.visits] == ["S1"] * 3 and len(found.volumes) == 3
    assert found.style.histogram.shape == (3, 100)
    with pytest.raises(InputError, match="`target` must be a site with t1w images, S0, S1, got S9"):
        domain(visits, "site:S9")


def test_the_steadiest_site_is_found(visits):
    # One person three times does not vary, but for nothing.
    same = [Visit(f"copy-{n}", "x", "steady", "s", visits[0].sources) for n in range(3)]
    found = domain([*visits, *same], "auto")
    assert {visit.site for visit in found.visits} == {"steady"}
    with pytest.raises(InputError, match="target `auto` needs a site with at least 4 images of t1w; sites are S0, S1"):
        domain(visits, "auto", fewest=4)


def test_a_domain_may_be_a_folder(visits, cohort, tmp_path):
    images = [next(iter(visit.sources.values())) for visit in visits[:2]]
    for number, image in enumerate(images):
        (tmp_path / f"other-{number}_T1w.nii.gz").symlink_to(image)
    found = domain(visits, str(tmp_path))
    assert [visit.name for visit in found.visits] == ["other-0_T1w", "other-1_T1w"]
    (tmp_path / "other-2_T2w.nii.gz").symlink_to(images[0])
    with pytest.raises(InputError, match="a target domain must be of one contrast, t1w, those in .* are of t1w, t2w"):
        domain(visits, str(tmp_path))
    with pytest.raises(InputError, match="`target` must be site:<name>, auto or a folder of images, got .*nothing"):
        domain(visits, str(tmp_path / "nothing"))


def test_a_domain_of_one_image_is_refused(visits):
    with pytest.raises(InputError, match="must have at least two images of t1w, `site:S0` has 1"):
        domain(visits[:1], "site:S0")
