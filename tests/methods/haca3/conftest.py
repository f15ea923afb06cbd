import pytest
from torch import Tensor

from scripts.methods.haca3.network import Haca3

from .small import small_haca3_plus, small_subject, two_targets


@pytest.fixture(scope="package")
def network() -> Haca3:
    return small_haca3_plus()


@pytest.fixture(scope="package")
def subject() -> Tensor:
    return small_subject()


@pytest.fixture(scope="package")
def targets() -> list[Tensor]:
    return two_targets()
