"""A person of the phantom, to compare maps with."""

from ..phantom.conftest import patient

__all__ = ["patient"]
