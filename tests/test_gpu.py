"""Every method, and every stage of training, on a GPU: a pretended one, and a real one where there is one."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.schedulers import DDIMScheduler
from torch import Tensor, nn

from scripts.methods.haca3.artifact_stage import ArtifactStage
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.fusion_net import PlaneFusionNet
from scripts.methods.haca3.fusion_stage import FusionStage
from scripts.methods.haca3.network import Haca3
from scripts.methods.haca3.published_network import published_network
from scripts.methods.haca3.triplet_loss import DynamicMarginTripletLoss
from scripts.methods.haca3plus.score_stage import ScoreStage
from scripts.methods.haca3plus.stage import LossWeights, PlusStage
from scripts.methods.mispel.losses import DecoderLoss, EmbeddingLoss
from scripts.methods.mispel.network import Mispel
from scripts.methods.mispel.stage import DecoderStage, EmbeddingStage
from scripts.methods.mmh.encoder import SmallSliceEncoder
from scripts.methods.mmh.losses import TargetLoss
from scripts.methods.mmh.sampling import DdimSampler
from scripts.methods.mmh.style import StyleStatistics, foreground
from scripts.methods.mmh.target_stage import TargetStage
from scripts.methods.mmh.tri_planar import TriPlanarAttention
from scripts.training.moving_average import MovingAverage
from scripts.training.player import Player
from scripts.training.update import GameUpdate, TrainingUpdate

from .methods.haca3.test_fusion_stage import batch as fusion_batch
from .methods.haca3plus.tiny import tiny_batch as plus_batch
from .methods.haca3plus.tiny import tiny_network as plus_network
from .methods.mmh.test_style_stage import stage as style_stage
from .methods.mmh.tiny import tiny_network as mmh_network
from .methods.mmh.tiny import tiny_volumes
from .methods.ssim.test_stage import stage as translation_stage
from .pretended_gpu import pretended_gpu
from .test_method_contract import CLASSICAL, OWN_NETWORK, Method, name, visit
from .training.tiny_stage import tiny_batch, tiny_stage

GPUS = {"pretended": pretended_gpu, "real": lambda: nullcontext(torch.device("cuda"))}
no_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
on_gpus = pytest.mark.parametrize("gpu", ["pretended", pytest.param("real", marks=no_gpu)])

# One of each network; what others change of it depends on no device.
METHODS = [None, *(o for o in OWN_NETWORK if o.stem != "method_mmh")]


def test_a_pretended_gpu_refuses_what_a_gpu_refuses():
    with pretended_gpu() as device:
        there = torch.arange(3.0).to(device)
        assert there.device == device
        assert (there + 1).cpu().tolist() == [1, 2, 3]
        with pytest.raises(RuntimeError, match="tensors must be on one device"):
            there + torch.arange(3.0)
        with pytest.raises(TypeError, match="copied to the CPU first"):
            there.numpy()


@on_gpus
@pytest.mark.parametrize("overlay", METHODS, ids=name)
def test_a_method_gives_the_same_on_a_gpu_as_on_the_cpu(overlay: Path | None, gpu: str):
    here = Method(overlay)
    expected = here.harmonize(visit(seed=1), here.two_targets())
    with GPUS[gpu]() as device:
        there = Method(overlay, device=str(device))
        if overlay not in CLASSICAL:
            assert {parameter.device.type for parameter in there.network.parameters()} == {device.type}
        found = there.harmonize(visit(seed=1), there.two_targets())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 * other.max())


def paired_slices() -> dict[str, Any]:
    return {"image": torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(0))}


def triplets() -> dict[str, Any]:
    anchor = torch.rand(3, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    return {"anchor": anchor, "positive": anchor.flip(2), "negative": 1 - anchor, "severity": torch.rand(3)}


def volumes() -> dict[str, Any]:
    return {"image": tiny_volumes(), "contrast": torch.tensor([0, 0]), "name": ["one", "two"]}


def sites() -> dict[str, Any]:
    return {"image": tiny_volumes() + 1.1, "site": ["S", "T"], "scanner": ["A", "C.5"]}


def unfrozen_haca3() -> Haca3:
    return published_network(ForegroundAttention(CodeAttention()), 96, anatomy_base=1, decoder_base=1)


def of_mispel(stage: type[nn.Module], loss: nn.Module) -> nn.Module:
    return stage(Mispel(["A", "B"], width=2), loss)


def target_stage() -> nn.Module:
    network = mmh_network("small")
    # A new model finds no noise, so that nothing would be learned of what is made.
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    network.begin_target()
    attention = TriPlanarAttention(SmallSliceEncoder(size=8, width=2), slices=4, heads=2)
    sampler = DdimSampler(
        DDIMScheduler(1000, "scaled_linear_beta", beta_end=0.0195), middle=800, steps_up=4, steps_down=4
    )
    statistics, images = StyleStatistics(), tiny_volumes()
    domain: Any = SimpleNamespace(contrast="t1w", style=statistics(images, foreground(images)))
    return TargetStage(network, TargetLoss(statistics=0.1), sampler, attention, statistics, domain)


def pairs_of_volumes() -> dict[str, Any]:
    return volumes() | {"target": -0.9 * tiny_volumes(), "target_name": ["three", "four"]}


STAGES: dict[str, tuple[Callable[[], nn.Module], Callable[[], dict[str, Any]]]] = {
    "haca3plus": (lambda: PlusStage(plus_network(learned=True), weights=LossWeights(severity=0.1)), plus_batch),
    "haca3plus score": (lambda: ScoreStage(plus_network(learned=True)), plus_batch),
    "haca3": (tiny_stage, tiny_batch),
    "haca3 artifact": (lambda: ArtifactStage(unfrozen_haca3(), DynamicMarginTripletLoss()), triplets),
    "haca3 fusion": (lambda: FusionStage(PlaneFusionNet()), fusion_batch),
    "mispel": (lambda: of_mispel(EmbeddingStage, EmbeddingLoss()), paired_slices),
    "mispel decoders": (lambda: of_mispel(DecoderStage, DecoderLoss()), paired_slices),
    "mmh": (style_stage, volumes),
}


def trained(stage: nn.Module, batch: dict[str, Any], device: torch.device) -> dict[str, Tensor]:
    """The parameters after two steps of the trainer's own update, with a moving average."""
    stage = stage.to(device)
    learning = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    engine: Any = SimpleNamespace(
        network=stage,
        optimizer=torch.optim.SGD(learning, lr=0.01),
        state=SimpleNamespace(iteration=0, epoch_length=2, device=device),
    )
    average = MovingAverage(stage, decay=0.5)
    update = TrainingUpdate(averages=[average], largest_gradient=1.0, seed=3)
    return run(update, engine, batch, stage)


def run(update: GameUpdate, engine: Any, batch: dict[str, Any], stage: nn.Module) -> dict[str, Tensor]:
    for engine.state.iteration in (1, 2):
        losses = update(engine, batch)
        assert all(np.isfinite(value) for value in losses.values())
    return {key: value.detach().cpu() for key, value in stage.state_dict().items()}


def compare(found: dict[str, Tensor], expected: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    assert any((expected[key] != value).any() for key, value in before.items())
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, atol=1e-4, rtol=1e-3, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("kind", STAGES)
def test_a_stage_learns_the_same_on_a_gpu_as_on_the_cpu(kind: str):
    draw, batch = STAGES[kind]

    def make() -> nn.Module:
        torch.manual_seed(0)
        return draw()

    before = {key: value.clone() for key, value in make().state_dict().items()}
    expected = trained(make(), batch(), torch.device("cpu"))
    with pretended_gpu() as device:
        found = trained(make(), batch(), device)
    compare(found, expected, before)


def played(device: torch.device) -> dict[str, Tensor]:
    """The same of a game of two players."""
    stage = translation_stage().to(device)
    sides = {"translator": stage.network, "discriminators": stage.discriminators}
    players = {key: Player(torch.optim.SGD(side.parameters(), lr=0.01)) for key, side in sides.items()}
    engine: Any = SimpleNamespace(network=stage, state=SimpleNamespace(iteration=0, epoch_length=2, device=device))
    return run(GameUpdate(players, seed=3), engine, sites(), stage)


def test_players_learn_the_same_on_a_gpu_as_on_the_cpu():
    before = {key: value.clone() for key, value in translation_stage().state_dict().items()}
    expected = played(torch.device("cpu"))
    with pretended_gpu() as device:
        found = played(device)
    compare(found, expected, before)


def losses_of_target_stage(device: torch.device) -> dict[str, float]:
    """And that it learns."""
    torch.manual_seed(0)
    stage = target_stage().to(device)
    batch = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in pairs_of_volumes().items()}
    losses = stage(batch, 1)
    losses["total"].backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in stage.parameters())
    return {key: float(loss.detach().cpu()) for key, loss in losses.items()}


def test_the_second_stage_of_mmh_has_the_same_losses_on_a_gpu_as_on_the_cpu():
    """Its parameters cannot be compared: what it keeps in half precision makes another rounding a larger difference."""
    expected = losses_of_target_stage(torch.device("cpu"))
    with pretended_gpu() as device:
        assert losses_of_target_stage(device) == pytest.approx(expected, rel=1e-3, abs=1e-5)
