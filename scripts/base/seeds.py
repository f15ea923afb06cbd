"""Seeds that follow from what they are for."""

import hashlib


def derive_seed(*parts: object) -> int:
    """Return a seed of 32 bits that depends on all the parts and on nothing else."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")
