import pytest
import torch

from scripts.base.errors import InputError
from scripts.images.orientations import ORIENTATIONS, frame, from_slices, plane_view, to_slices, unframe


def test_slices_of_the_working_grid_follow_the_published_layout():
    volume = torch.zeros(192, 224, 192)
    volume[10, 20, 30] = 1  # in the padded cube: x 26, y 20, z 46
    places = {name: to_slices(volume, name, 224).nonzero().tolist() for name in ORIENTATIONS}
    assert places == {"axial": [[46, 20, 26]], "coronal": [[20, 223 - 46, 26]], "sagittal": [[26, 223 - 46, 20]]}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_slices_turn_back_into_the_volume(orientation):
    volume = torch.rand(2, 4, 5, 6, 3)
    slices = to_slices(volume, orientation, 9)
    assert slices.shape == (2, 4, 9, 9, 9)
    assert torch.equal(from_slices(slices, orientation, (5, 6, 3)), volume)
    assert slices.sum() == pytest.approx(volume.sum().item(), rel=1e-5)


def test_odd_margins_leave_the_larger_written_behind():
    axial = to_slices(torch.ones(3, 4, 4), "axial", 4)
    assert axial[0, 0].tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(("orientation", "axis"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_framed_slices_are_those_of_the_padded_cube(orientation, axis):
    volume = torch.rand(2, 5, 6, 3)
    view = plane_view(volume, orientation)
    margin = (9 - volume.shape[1 + axis]) // 2
    inside = to_slices(volume, orientation, 9)[:, margin : margin + view.shape[1]]
    assert torch.equal(frame(view, orientation, 9), inside)
    assert torch.equal(frame(view[:, [2, 0]], orientation, 9), inside[:, [2, 0]])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_slices_are_unframed_into_the_volume_they_came_from(orientation):
    slices = torch.rand(2, 9, 9, 9)
    expected = from_slices(slices, orientation, (5, 6, 3))
    volume = torch.zeros(2, 5, 6, 3)
    view = plane_view(volume, orientation)
    margin = (9 - view.shape[1]) // 2
    view[...] = unframe(slices[:, margin : margin + view.shape[1]], orientation, view.shape[-2:])
    assert torch.equal(volume, expected)


def test_wrong_orientation_and_sizes_are_refused():
    with pytest.raises(InputError, match="`orientation` must be one of axial, coronal, sagittal, got oblique"):
        to_slices(torch.ones(2, 2, 2), "oblique", 4)
    with pytest.raises(InputError, match="`orientation` must be one of axial, coronal, sagittal, got oblique"):
        plane_view(torch.ones(2, 2, 2), "oblique")
    with pytest.raises(InputError, match=r"`field_of_view` must be at least 5 for a volume of \(5, 2\), got 4"):
        frame(torch.ones(3, 5, 2), "axial", 4)
    with pytest.raises(InputError, match=r"`field_of_view` must be at least 5 for a volume of \(5, 2, 2\), got 4"):
        to_slices(torch.ones(5, 2, 2), "axial", 4)
    with pytest.raises(InputError, match=r"slices must fill a cube, their shape is \(3, 4, 4\)"):
        from_slices(torch.ones(3, 4, 4), "axial", (2, 2, 2))
