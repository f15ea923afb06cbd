from types import SimpleNamespace
from typing import Any

import pytest
import torch

from scripts.base.errors import InputError
from scripts.methods.ssim.discriminators import ImageDiscriminator, StructureDiscriminator
from scripts.methods.ssim.losses import WEIGHTS, TranslationLoss
from scripts.methods.ssim.stage import TranslateVolumes, TranslationStage

from .tiny import tiny_net

LOSS = TranslationLoss(dict.fromkeys(WEIGHTS, 1.0))


def stage(**options: Any) -> TranslationStage:
    network = tiny_net()
    judges = ImageDiscriminator(5, width=2, halvings=1), StructureDiscriminator(5, network.sizes, layers=1)
    return TranslationStage(network, *judges, LOSS, **options)


@pytest.fixture
def batch() -> dict[str, Any]:
    image = torch.rand(2, 1, 8, 10, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    return {"image": image, "site": ["S", "T"], "scanner": ["A", "C.5"]}


def learning(module: torch.nn.Module) -> bool:
    return any(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


def test_discriminators_learn_from_what_the_translator_made_and_leave_it_alone(batch):
    both = stage()
    with pytest.raises(InputError, match="`players` must have the translator before the discriminators"):
        both(batch, 1, "discriminators")
    both(batch, 1, "translator")["total"].backward()
    parts = [both.network.structure_encoder, both.network.style_encoder, both.network.generator]
    assert all(map(learning, parts))
    both.zero_grad()
    both(batch, 1, "discriminators")["total"].backward()
    assert all(map(learning, both.discriminators.values())) and not learning(both.network)


def test_all_layers_of_the_network_learn(batch):
    both = stage()
    both(batch, 1, "translator")["total"].backward()
    # A bias before an instance norm has no effect.
    idle = [name for name, p in both.network.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7]
    assert all(name.endswith("bias") for name in idle)


def test_validation_draws_the_same_each_time_and_shows_every_style(batch):
    translate = TranslateVolumes(tiny_net(), LOSS)
    engine: Any = SimpleNamespace(state=SimpleNamespace(iteration=1))
    first, again = translate(engine, batch), translate(engine, batch)
    assert first["losses"] == again["losses"] and torch.equal(first["translated"], again["translated"])
    assert first["source"].shape == first["again"].shape == (2, 1, 10, 8)
    assert first["translated"].shape == (2, 4, 10, 8)
    assert torch.equal(first["source"][0, 0], batch["image"][0, 0, :, :, 4].T.flip(0))


def test_the_style_without_a_label_must_be_trained():
    with pytest.raises(InputError, match="`agnostic_share` must be above 0 and below 1, got 0"):
        stage(agnostic_share=0)
