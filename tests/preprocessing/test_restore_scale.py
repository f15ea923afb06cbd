import pytest
import torch

from scripts.preprocessing.restore_scale import RestoreScaled


def test_volume_is_multiplied_by_the_scale_of_the_target():
    data = {"pred": torch.tensor([[0.0, 0.5, 2]]), "target_scale": 600.0}
    assert RestoreScaled()(data)["pred"].tolist() == [[0, 300, 1200]]
    assert data["pred"].tolist() == [[0, 0.5, 2]]


def test_volume_stays_where_the_scale_of_the_target_is_unknown():
    volume = torch.rand(1, 2, 3, 4)
    assert torch.equal(RestoreScaled()({"pred": volume, "target_scale": None})["pred"], volume)


def test_several_volumes_share_one_scale():
    data = {"axial": torch.ones(1), "coronal": torch.ones(1) / 4, "scale": 8.0, "pred": torch.ones(1)}
    result = RestoreScaled(keys=["axial", "coronal"], scale_key="scale")(data)
    assert [float(result[key]) for key in ("axial", "coronal", "pred", "scale")] == [8, 2, 1, 8]


def test_missing_volume_is_named():
    with pytest.raises(KeyError, match="pred"):
        RestoreScaled()({"target_scale": 2.0})


def test_volume_that_was_not_wanted_may_be_none_or_absent():
    restore = RestoreScaled(keys=["pred", "uncertainty"], allow_missing_keys=True)
    data = {"pred": torch.ones(1), "target_scale": 2.0}
    assert restore(data)["pred"].tolist() == [2]
    assert restore({**data, "uncertainty": None})["uncertainty"] is None
