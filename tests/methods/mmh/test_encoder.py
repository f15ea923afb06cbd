import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from scripts.base.errors import InputError
from scripts.base.weights import save_weights
from scripts.methods.mmh.encoder import BiomedClipEncoder, SmallSliceEncoder, load_encoder

WIDTH, HEADS = 8, 2


def tiny_clip() -> BiomedClipEncoder:
    return BiomedClipEncoder(width=WIDTH, depth=1, heads=HEADS, patch=4, pixels=8, size=6)


def published_state() -> dict[str, torch.Tensor]:
    """Random numbers under the names of BiomedCLIP's image tower."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "trunk.cls_token": (1, 1, WIDTH),
        "trunk.pos_embed": (1, 5, WIDTH),
        "trunk.patch_embed.proj.weight": (WIDTH, 3, 4, 4),
        "trunk.patch_embed.proj.bias": (WIDTH,),
        "trunk.blocks.0.attn.qkv.weight": (3 * WIDTH, WIDTH),
        "trunk.blocks.0.attn.qkv.bias": (3 * WIDTH,),
        "trunk.blocks.0.attn.proj.weight": (WIDTH, WIDTH),
        "trunk.blocks.0.attn.proj.bias": (WIDTH,),
        "trunk.blocks.0.mlp.fc1.weight": (4 * WIDTH, WIDTH),
        "trunk.blocks.0.mlp.fc1.bias": (4 * WIDTH,),
        "trunk.blocks.0.mlp.fc2.weight": (WIDTH, 4 * WIDTH),
        "trunk.blocks.0.mlp.fc2.bias": (WIDTH,),
        "head.proj.weight": (6, WIDTH),
    }
    norms = ("trunk.blocks.0.norm1", "trunk.blocks.0.norm2", "trunk.norm")
    shapes |= {f"{norm}.{part}": (WIDTH,) for norm in norms for part in ("weight", "bias")}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def transformer(state: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """A vision transformer with one block, as its formulas have it; image (3, 8, 8), normalised."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    patches = [image[:, y : y + 4, x : x + 4].flatten() for y in (0, 4) for x in (0, 4)]
    kernel = state["trunk.patch_embed.proj.weight"].flatten(1)
    tokens = torch.stack(patches) @ kernel.T + state["trunk.patch_embed.proj.bias"]
    x = torch.cat([state["trunk.cls_token"][0], tokens]) + state["trunk.pos_embed"][0]
    block = "trunk.blocks.0"
    q, k, v = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, dim=1)
    size = WIDTH // HEADS
    parts = []
    for head in range(HEADS):
        of_head = slice(head * size, (head + 1) * size)
        shares = (q[:, of_head] @ k[:, of_head].T / size**0.5).softmax(1)
        parts.append(shares @ v[:, of_head])
    x = x + linear(torch.cat(parts, dim=1), f"{block}.attn.proj")
    x = x + linear(gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
    return norm(x, "trunk.norm")[0] @ state["head.proj.weight"].T


def test_biomedclips_names_fit_and_make_its_transformer():
    state, encoder = published_state(), tiny_clip()
    encoder.load_state_dict(dict(state))
    slices = torch.rand(2, 1, 8, 8) * 2 - 1
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (encoder.mean, encoder.deviation))
    for slice_, found in zip(slices, encoder(slices), strict=True):
        torch.testing.assert_close(
            found, transformer(state, ((slice_ + 1) / 2 - mean) / deviation), atol=1e-4, rtol=1e-4
        )


def test_a_published_file_is_read(tmp_path):
    save_weights(published_state(), tmp_path / "clip.pt")
    encoder = load_encoder(tiny_clip(), tmp_path / "clip.pt")
    torch.testing.assert_close(
        encoder.trunk.blocks[0].mlp["fc1"].bias, published_state()["trunk.blocks.0.mlp.fc1.bias"]
    )
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_the_size_of_biomedclip():
    with torch.device("meta"):
        encoder = BiomedClipEncoder()
    # ViT-B/16 without its classifier has 85.8 million, the projection 0.4.
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(86.2, abs=0.05)


def test_the_small_encoder_sees_how_bright_a_slice_is():
    torch.manual_seed(0)
    encoder, slices = SmallSliceEncoder(size=16, width=4), torch.rand(2, 1, 20, 24)
    assert encoder(slices).shape == (2, 16)
    assert (encoder(slices) - encoder(0.5 * slices)).abs().max() > 1e-3


def test_missing_weights_are_asked_for(tmp_path):
    with pytest.raises(InputError, match="`encoder_weights` must be the file .* got None; train the small one with"):
        load_encoder(SmallSliceEncoder(), None)
    with pytest.raises(InputError, match="does not exist; train the small one with train_mmh_encoder.json"):
        load_encoder(SmallSliceEncoder(), tmp_path / "nothing.pt")
