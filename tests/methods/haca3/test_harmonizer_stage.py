from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from scripts.base.errors import InputError
from scripts.methods.haca3.harmonizer_stage import HarmonizerStage, see_through_windows
from scripts.methods.haca3.losses import Haca3Loss
from scripts.methods.haca3.tissue import tissue_loss

from ...training.tiny_stage import SIZE, tiny_batch, tiny_stage

CYCLE = {"cycle_theta", "cycle_eta", "cycle_beta"}


def gradients(stage: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in stage.named_parameters() if p.grad is not None}


def without_chance(stage: HarmonizerStage) -> HarmonizerStage:
    """No Gumbel noise, no sample of theta and no pairs of sources."""
    stage.eval()
    stage.loss.weights["contrastive"] = 0.0
    torch.nn.init.constant_(stage.network.contrast_encoder.log_variance[1].weight, 0.0)
    torch.nn.init.constant_(stage.network.contrast_encoder.log_variance[1].bias, -200.0)
    return stage


@pytest.mark.parametrize("own_parts", [False, True])
def test_everything_but_the_artifact_encoder_learns(own_parts):
    stage = tiny_stage(own_parts=own_parts)
    losses = stage(tiny_batch(), 1)
    losses["total"].backward()
    assert set(losses) == {"reconstruction", "kl", "contrastive", "total", *CYCLE}
    learning = gradients(stage)
    assert all(gradient.isfinite().all() for gradient in learning.values())
    for part in ("anatomy_encoder", "contrast_encoder", "attention", "decoder"):
        assert any(gradient.any() for name, gradient in learning.items() if name.startswith(f"network.{part}"))
    assert any(gradient.any() for name, gradient in learning.items() if "patchifier" in name)
    assert not any(name.startswith("network.artifact_encoder") for name in learning)


def test_training_lowers_the_loss():
    stage, batch = tiny_stage(cycle=None), tiny_batch(2)
    optimizer = torch.optim.Adam([p for p in stage.parameters() if p.requires_grad], lr=1e-2)
    values = []
    for _ in range(12):
        torch.manual_seed(0)
        losses = stage(batch, 1)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        values.append(losses["reconstruction"].item())
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize(("iteration", "expected"), [(3, False), (4, True), (5, False), (6, True)])
def test_the_cycle_comes_in_its_interval(iteration, expected):
    losses = tiny_stage(cycle_start=4, cycle_interval=2)(tiny_batch(2), iteration)
    assert (set(losses) >= CYCLE) == expected


def test_the_output_is_what_the_network_gives():
    stage = without_chance(tiny_stage(cycle=None))
    batch, network = tiny_batch(), stage.network
    target = network.encode_code(batch["reference"])[:, 0]
    output = network(batch["source"], target, batch["available"])
    visible = network.attention.visible(network.foreground(batch["source"]), batch["available"])
    expected = Haca3Loss(contrastive=0.0, kl=0.0)(
        output, batch["target"], visible, *network.contrast_encoder(batch["reference"]), *[torch.zeros(1)] * 6
    )
    torch.testing.assert_close(stage(batch, 1)["reconstruction"], expected["reconstruction"])


def test_pixels_outside_the_mask_count_less():
    batch = tiny_batch(2)
    half = torch.zeros(2, 1, SIZE, SIZE, dtype=torch.bool)
    half[..., : SIZE // 2] = True
    inside, outside, both = (
        without_chance(tiny_stage(cycle=None, outside_mask=share))({**batch, "mask": mask}, 1)["reconstruction"]
        for mask, share in ((half, 0.0), (~half, 0.0), (half, 0.5))
    )
    assert min(inside, outside) < both < max(inside, outside)
    assert abs(both - inside) < abs(both - outside)


def test_a_source_that_is_not_there_makes_no_difference():
    batch = tiny_batch(2)
    batch["available"][:, 2] = 0
    other = {**batch, "source": batch["source"].clone()}
    other["source"][:, 2] = 7.0
    first, second = (without_chance(tiny_stage())(each, 1)["total"] for each in (batch, other))
    assert first == second


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cycle_interval": 0}, "`cycle_interval` must be at least 1 and `cycle_start` not negative, got 0 and 0"),
        ({"outside_mask": 1.5}, "`outside_mask` must be between 0 and 1, got 1.5"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        tiny_stage(**options)


def pick(batch: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    return {name: values[start:stop] for name, values in batch.items()}


def train_half(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    stage = DistributedDataParallel(without_chance(tiny_stage(cycle=None)), find_unused_parameters=True)
    stage(pick(tiny_batch(), 2 * rank, 2 * rank + 2), 1)["total"].backward()
    if rank == 0:
        torch.save(gradients(stage.module), Path(folder) / "gradients.pt")
    # Else it would be the last to hold the group, whose threads may wait for the interpreter that waits for them.
    del stage
    dist.destroy_process_group()


def test_two_processes_have_the_gradients_of_one_with_the_joint_batch(tmp_path):
    mp.spawn(train_half, (str(tmp_path),), nprocs=2)
    whole = without_chance(tiny_stage(cycle=None))
    whole(tiny_batch(), 1)["total"].backward()
    expected, found = gradients(whole), torch.load(tmp_path / "gradients.pt", weights_only=True)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_sources_are_told_which_tissue_is_where():
    stage = tiny_stage(loss=Haca3Loss(contrastive=0.0, tissue=1.0), cycle=None)
    batch = tiny_batch()
    shown = stage.network.foreground(batch["source"])
    logits = stage.network.encode_anatomy(batch["source"])
    torch.testing.assert_close(stage(batch, 1)["tissue"], tissue_loss(logits, shown, batch["tissues"]))


def test_windows_show_the_same_place_of_everything():
    batch = tiny_batch(3)
    place = torch.arange(SIZE * SIZE, dtype=torch.float32).view(1, 1, SIZE, SIZE).expand(3, 1, SIZE, SIZE)
    batch |= {"source": place.expand(3, 4, SIZE, SIZE), "target": place, "tissues": place.long()}
    seen = see_through_windows(batch, 32)
    assert [tuple(value.shape) for value in seen.values()] == [(3, 4, 32, 32), *3 * [(3, 1, 32, 32)]]
    assert torch.equal(seen["source"][:, :1], seen["target"])
    assert torch.equal(seen["target"].long(), seen["tissues"])
    # Neighbours in the window are neighbours in the slice.
    assert (seen["target"].diff(dim=3) == 1).all() and (seen["target"].diff(dim=2) == SIZE).all()
    assert seen["mask"].flatten(1).any(1).all()


def test_a_window_may_be_the_whole_slice():
    batch = tiny_batch(2)
    assert torch.equal(see_through_windows(batch, SIZE)["source"], batch["source"])


def test_windows_come_first_and_cycles_after_them():
    stage = without_chance(tiny_stage(window=64, window_until=2))
    whole = without_chance(tiny_stage())
    first, second, third = (stage(tiny_batch(2), iteration) for iteration in (1, 2, 3))
    assert not CYCLE & set(first) and not CYCLE & set(second)
    torch.testing.assert_close(third, whole(tiny_batch(2), 3))
    assert first["reconstruction"] != third["reconstruction"]


def test_a_window_of_a_size_that_the_networks_do_not_take_is_refused():
    with pytest.raises(InputError, match="`window` must be a multiple of 32 and at least 32, got 100"):
        tiny_stage(window=100)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"window_until": 39}, None),
        ({"cycle_start": 33, "cycle_interval": 8}, None),
        ({"window_until": 32, "cycle_interval": 8}, None),
        (
            {"window_until": 33, "cycle_interval": 8},
            "the cycle never runs: from step 34 on (`cycle_start` 0, `window_until` 33) none up to the last, 39, is a "
            "multiple of `cycle_interval`, 8",
        ),
        (
            {"cycle_start": 41},
            "the cycle never runs: from step 41 on (`cycle_start` 41, `window_until` 0) none up to the last, 39, is a "
            "multiple of `cycle_interval`, 1",
        ),
    ],
)
def test_a_cycle_that_never_runs_is_told_of(schedule, words, caplog):
    tiny_stage(**schedule, last_step=39 if words else 40)
    assert [record.getMessage() for record in caplog.records] == ([words] if words else [])


def test_windows_to_the_end_are_refused_where_a_cycle_waits_for_them():
    with pytest.raises(InputError, match="`window_until` must lie below the last step of the training, 40, got 40"):
        tiny_stage(window_until=40, last_step=40)
    tiny_stage(window_until=40, last_step=40, cycle=None)
