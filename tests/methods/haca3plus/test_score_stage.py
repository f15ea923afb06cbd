import pytest
import torch

from scripts.methods.haca3plus.score_stage import ScoreHeldOut, ScoreStage

from .tiny import tiny_batch, tiny_network


def test_the_artifact_encoder_alone_learns():
    stage = ScoreStage(tiny_network(learned=True))
    stage({**tiny_batch()})["total"].backward()
    for name, parameter in stage.network.named_parameters():
        assert (parameter.grad is not None) == name.startswith("artifact_encoder."), name


def test_training_learns():
    stage = ScoreStage(tiny_network())
    optimizer = torch.optim.Adam([p for p in stage.parameters() if p.requires_grad], 3e-3)
    batch, totals = tiny_batch(), []
    for _ in range(12):
        total = stage(batch)["total"]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0]


def test_scores_of_what_has_an_artifact():
    network, batch = tiny_network(learned=True), tiny_batch()
    batch["artifact"] = torch.tensor([[-1, 0, -1, -1], [-1, -1, 3, -1]])
    found = ScoreHeldOut(network)(None, batch)
    assert found["kind"] == ["noise", "anisotropy"]
    assert found["severity"].tolist() == pytest.approx([0.5, 0.3])
    shown = network.foreground(batch["source"][:1, 1:2]).float()
    with torch.inference_mode():
        eta = network.artifact_encoder(batch["source"][:1, 1:2], shown, batch["source_percentiles"][0, 1, 5].view(1, 1))
    assert found["degraded"][0].item() == pytest.approx(eta.norm().item(), rel=1e-5)
    assert found["clean"].shape == (2,)
