"""Signal equations of the sequences, per voxel; times in seconds, angles in degrees.

Symbols: PD proton density, T1 and T2 relaxation times, TR repetition time, TE echo time, TI inversion time, a flip
angle, b the local transmit field relative to its nominal value.
"""

import torch

from .scanner import Protocol

# Gradient echoes decay with T2*, which is about this share of T2 in brain at 1.5 to 3 T.
T2_STAR_SHARE = 0.6


def spoiled_gradient_echo(
    protocol: Protocol, pd: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """Ernst: S = PD sin(ab) (1 - E1) / (1 - cos(ab) E1) exp(-TE / T2*), with E1 = exp(-TR / T1)."""
    angle = b * torch.pi * protocol.flip_angle / 180
    e1 = torch.exp(-protocol.repetition_time / t1)
    return pd * angle.sin() * (1 - e1) / (1 - angle.cos() * e1) * torch.exp(-protocol.echo_time / (T2_STAR_SHARE * t2))


def mprage(protocol: Protocol, pd: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inversion, delay, then a train of small-angle echoes; the signal at the train's centre.

    With r the drive of the magnetisation towards its steady state M* during the train (1 / T1* = 1 / T1 -
    ln(cos ab) / ES) the longitudinal magnetisation follows three exponentials whose cycle closes after TR.
    """
    inversion_time = protocol.inversion_time or 0.0
    angle = b * torch.pi * protocol.flip_angle / 180
    train = protocol.echo_train_length * protocol.echo_spacing
    before = max(inversion_time - train / 2, 0.0)
    after = max(protocol.repetition_time - before - train, 0.0)
    t1_star = 1 / (1 / t1 - angle.cos().log() / protocol.echo_spacing)
    steady = t1_star / t1
    decay_before, decay_after = torch.exp(-before / t1), torch.exp(-after / t1)
    decay_train, decay_half = torch.exp(-train / t1_star), torch.exp(-train / 2 / t1_star)
    # One cycle maps M (just before inversion) to gain * M + offset; its fixed point is the steady state.
    offset = ((1 - decay_before) * decay_train + steady * (1 - decay_train)) * decay_after + 1 - decay_after
    start = offset / (1 + decay_before * decay_train * decay_after)
    centre = (1 - decay_before * (1 + start)) * decay_half + steady * (1 - decay_half)
    return pd * (centre * angle.sin()).abs() * torch.exp(-protocol.echo_time / (T2_STAR_SHARE * t2))


def spin_echo(
    protocol: Protocol, pd: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor, b: torch.Tensor
) -> torch.Tensor:
    """S = PD (1 - exp(-(TR - L) / T1)) exp(-TE / T2) f(b), L being the length of the echo train.

    f(b) = sin^3(pi b / 2) is the loss from imperfect excitation and refocusing.
    """
    rest = protocol.repetition_time - protocol.echo_train_length * protocol.echo_spacing
    return pd * (1 - torch.exp(-rest / t1)) * torch.exp(-protocol.echo_time / t2) * _refocused(b)


def flair(protocol: Protocol, pd: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """S = PD |1 - 2 exp(-TI / T1) + exp(-(TR - L) / T1)| exp(-TE / T2) f(b): nulls what has T1 = TI / ln 2."""
    inversion_time = protocol.inversion_time or 0.0
    rest = protocol.repetition_time - protocol.echo_train_length * protocol.echo_spacing
    recovered = 1 - 2 * torch.exp(-inversion_time / t1) + torch.exp(-rest / t1)
    return pd * recovered.abs() * torch.exp(-protocol.echo_time / t2) * _refocused(b)


def _refocused(b: torch.Tensor) -> torch.Tensor:
    return torch.sin(torch.pi / 2 * b.clamp(0, 2)).abs() ** 3


SEQUENCES = {
    "mprage": mprage,
    "spgr": spoiled_gradient_echo,
    "se": spin_echo,
    "tse": spin_echo,
    "flair": flair,
}
