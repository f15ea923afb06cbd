"""A small HACA3+ as published, and a subject for it."""

from ..methods.haca3.conftest import network, subject, targets

__all__ = ["network", "subject", "targets"]
