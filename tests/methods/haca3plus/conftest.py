import pytest


@pytest.fixture
def anything_is_tissue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find levels of tissue also where a network with random weights sees hardly any."""
    monkeypatch.setattr("scripts.methods.haca3plus.tissue_levels._LEAST_SHARE", 0)
    monkeypatch.setattr("scripts.methods.haca3plus.tissue_levels._LEAST_WEIGHT", 0)
