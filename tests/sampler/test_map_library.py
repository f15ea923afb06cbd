import json
import resource
from pathlib import Path

import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.sampler.map_file import HEADER_BYTES, VERSION, blurred_at, read_planes, read_volume_maps
from scripts.sampler.map_library import INDEX, PLAN, MapLibrary, person_file

from .small_library import SHAPE, render_small, small_maker


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> MapLibrary:
    return MapLibrary(small_maker(tmp_path_factory.mktemp("library")).run())


def test_people_come_back_as_they_were_rendered(library: MapLibrary) -> None:
    maker = small_maker(Path("anywhere"))
    for number in library.files:
        person = maker.draw(number)
        maps = render_small(person["parameters"], person["anatomy"])
        relaxation, fractions = read_volume_maps(library.files[number])
        assert relaxation.shape == (3, *SHAPE)
        assert np.array_equal(fractions, maps.fractions.numpy())
        assert np.array_equal(relaxation, maps.relaxation.half().numpy())
        assert library.about(number)["anatomy"] == person["anatomy"]


def test_the_last_people_are_held_out_and_both_anatomies_are_there(library: MapLibrary) -> None:
    assert library.training == [1, 2, 3]
    assert library.validation == [4, 5]
    assert {library.about(number)["anatomy"] for number in library.files} == {"mni152", "colin27"}


def test_nobody_has_a_seed_that_cohorts_draw(library: MapLibrary) -> None:
    seeds = [library.about(number)["parameters"]["seed"] for number in library.files]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 2**32


def test_any_window_of_any_slice_is_that_of_the_volume(library: MapLibrary) -> None:
    rng = np.random.default_rng(0)
    file = library.files[1]
    margin, whole = 60, read_volume_maps(file)
    padded = [np.pad(values, ((0, 0), *[(margin, margin)] * 3)) for values in whole]
    for _ in range(60):
        axis, flips = int(rng.integers(3)), tuple(bool(flip) for flip in rng.integers(2, size=2))
        position, low = int(rng.integers(-3, SHAPE[axis] + 3)), [int(start) for start in rng.integers(-30, 60, 2)]
        (found,) = read_planes(file, axis, [position], (low[0], low[1]), (40, 48), (flips[0], flips[1]))
        for values, got in zip(padded, found, strict=True):
            plane = np.take(values, position + margin, axis=1 + axis)
            wanted = plane[:, low[0] + margin :][:, :40, low[1] + margin :][..., :48].transpose(0, 2, 1)
            wanted = wanted[:, :: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
            assert np.array_equal(got, wanted)


def test_stored_voxels_are_those_of_the_volume(library: MapLibrary) -> None:
    file = library.files[2]
    relaxation, fractions = read_volume_maps(file)
    x, y, z = file.voxels["place"].T
    assert np.array_equal(file.voxels["fractions"].T, fractions[:, x, y, z])
    assert np.array_equal(file.voxels["relaxation"].T, relaxation[:, x, y, z])
    assert file.voxels["fractions"].any(axis=1).all()
    assert np.array_equal(file.voxels["blurred"], blurred_at(fractions, file.voxels["place"]))


def test_a_killed_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rendered = []

    def render(parameters, anatomy):
        if len(rendered) == 2:
            raise KeyboardInterrupt
        rendered.append(parameters.seed)
        return render_small(parameters, anatomy)

    with pytest.raises(KeyboardInterrupt):
        small_maker(tmp_path, render=render).run()
    assert not (tmp_path / INDEX).exists()
    with pytest.raises(InputError, match=f"must be a whole map library, but {INDEX} is missing"):
        len(MapLibrary(tmp_path).files)
    # Those to be held out are made first.
    assert list(MapLibrary(tmp_path, partial=True).files) == [4, 5]
    (tmp_path / f".{person_file(1)}.partial-77").write_bytes(b"half a person")
    before = (tmp_path / person_file(4)).stat().st_mtime_ns
    rendered[:] = [0] * 3
    small_maker(tmp_path, render=render).run()
    assert len(rendered) == 3 + 3
    assert (tmp_path / person_file(4)).stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".*"))
    assert len(MapLibrary(tmp_path).files) == 5


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    small_maker(tmp_path, people=3).run()
    path = tmp_path / person_file(1)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    message = rf"{person_file(1)} must have {len(content)} bytes, got {len(content) - 100}: it is cut short"
    with pytest.raises(InputError, match=message):
        len(MapLibrary(tmp_path).files)
    with pytest.raises(InputError, match=message):
        small_maker(tmp_path, people=3).run()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="its header cannot be read"):
        len(MapLibrary(tmp_path).files)


def test_another_version_is_refused(tmp_path: Path) -> None:
    small_maker(tmp_path, people=3).run()
    path = tmp_path / person_file(2)
    content = path.read_bytes()
    header = json.loads(content[:HEADER_BYTES])
    header["version"] = VERSION + 1
    path.write_bytes(json.dumps(header).encode().ljust(HEADER_BYTES) + content[HEADER_BYTES:])
    with pytest.raises(InputError, match=f"must be of version {VERSION} of the map library, got version {VERSION + 1}"):
        len(MapLibrary(tmp_path).files)
    plan = json.loads((tmp_path / PLAN).read_text())
    (tmp_path / PLAN).write_text(json.dumps({**plan, "version": 0}))
    with pytest.raises(InputError, match=f"must be a map library of version {VERSION}, got version 0"):
        len(MapLibrary(tmp_path).files)


def test_a_folder_that_follows_another_plan_is_refused(tmp_path: Path) -> None:
    small_maker(tmp_path, people=3).run()
    with pytest.raises(InputError, match="holds a library whose `seed` is 1, it must be 2 to go on with it"):
        small_maker(tmp_path, people=3, seed=2).run()


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    maker = small_maker(tmp_path, people=3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match="must have room for the library, but person-0002.maps of .* does not fit"):
            maker.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == [PLAN]
    maker.run()
    assert len(MapLibrary(tmp_path).files) == 3


def test_too_little_room_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MB free for 3 more people"):
        small_maker(tmp_path, people=3, bytes_per_person=10**18).run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"people": 0}, "`people` must be a whole number of at least 1, got 0"),
        ({"validation": 5}, "`validation` must be from 0 to less than `people`, 5, got 5"),
        ({"head_share": 1.5}, "`head_share` must be between 0 and 1, got 1.5"),
        ({"anatomies": ("colin",)}, "`anatomies` must be among mni152, colin27, got colin"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small_maker(tmp_path, **changes)


def test_a_folder_without_a_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"must hold a map library, but its {PLAN} cannot be read"):
        len(MapLibrary(tmp_path).files)
