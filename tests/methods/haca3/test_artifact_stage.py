import torch

from scripts.methods.haca3.artifact_stage import ArtifactStage
from scripts.methods.haca3.attention import CodeAttention, ForegroundAttention
from scripts.methods.haca3.published_network import published_network
from scripts.methods.haca3.triplet_loss import DynamicMarginTripletLoss


def test_it_learns_to_tell_noise_from_a_clean_slice():
    torch.manual_seed(0)
    network = published_network(ForegroundAttention(CodeAttention()), 96, anatomy_base=1, decoder_base=1)
    stage = ArtifactStage(network, DynamicMarginTripletLoss())
    optimizer = torch.optim.Adam(stage.parameters(), lr=3e-3)

    def batch(seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        axis = torch.linspace(-1, 1, 96)
        disc = (axis[:, None] ** 2 + axis[None] ** 2 < 0.4).float().expand(4, 1, 96, 96)
        clean = disc * torch.rand(4, 1, 1, 1, generator=generator).add(0.5)
        severity = torch.rand(4, generator=generator)
        noise = torch.randn(clean.shape, generator=generator) * severity[:, None, None, None]
        return {"anchor": clean, "positive": clean.flip(2), "negative": clean + noise, "severity": severity}

    for step in range(25):
        optimizer.zero_grad()
        stage(batch(step), step)["total"].backward()
        optimizer.step()
    unseen = {**batch(1000), "severity": torch.ones(4)}
    with torch.no_grad():
        clean, noisy = (network.artifact_encoder(unseen[role]).norm(dim=1) for role in ("anchor", "negative"))
    assert (noisy > clean).all()
    assert {name for name, p in network.named_parameters() if p.grad is not None} == {
        name for name, _ in network.named_parameters() if name.startswith("artifact_encoder")
    }
