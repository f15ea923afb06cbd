"""What every config of a method may hold."""

import pytest

from .test_method_contract import (
    CLASSICAL,
    CONFIGS,
    NETWORK_PARTS,
    OPTIONS,
    OVERLAYS,
    OWN_NETWORK,
    PARTS,
    keys_of,
    name,
)


def test_there_are_overlays():
    assert {"method_none", "method_mean_std", "method_nyul"} <= {overlay.stem for overlay in CLASSICAL}


@pytest.mark.parametrize("overlay", OWN_NETWORK, ids=name)
def test_overlay_with_a_network_defines_all_parts_of_a_method_and_else_ids_of_its_own(overlay):
    keys = list(keys_of(overlay))
    assert {*NETWORK_PARTS} <= {*keys}
    assert set(keys) & set(keys_of(CONFIGS / "inference.json")) <= {*PARTS, "middle_ground", "carry_detail", *OPTIONS}
    if overlay in CLASSICAL:
        assert keys == [*PARTS]


@pytest.mark.parametrize("overlay", [o for o in OVERLAYS if o not in OWN_NETWORK], ids=name)
def test_overlay_without_a_network_changes_nothing_but_what_a_method_does(overlay):
    assert {key.partition("#")[0] for key in keys_of(overlay)} <= {*PARTS, "carry_detail"}
