from typing import Any

import pytest
import torch

from scripts.base.errors import InputError
from scripts.jobs.targets import StoredCode
from scripts.methods.haca3plus.code import PlusCode
from scripts.methods.haca3plus.method import PlusMethod
from scripts.methods.haca3plus.planes import PlanesInferer

from .tiny import tiny_network

METHOD = PlusMethod("haca3plus", tiny_network(learned=True), PlanesInferer(code_slices=2))


def data(seed: int = 0) -> dict[str, Any]:
    image = torch.zeros(4, 12, 10, 8)
    image[[0, 3], 2:9, 1:8, 1:7] = 0.2 + torch.rand(2, 7, 7, 6, generator=torch.Generator().manual_seed(seed))
    return {"image": image, "available": image.flatten(1).any(1)}


def test_a_code_is_of_the_image_of_its_contrast_alone():
    images = data()["image"]
    code = METHOD.encode(images, "flair")
    assert isinstance(code, PlusCode) and (code.contrast, code.method) == ("flair", "haca3plus")
    alone = torch.zeros_like(images)
    alone[3] = images[3]
    assert METHOD.encode(alone, "flair").numbers() == code.numbers()
    assert METHOD.describe_image(images[3], "flair") == code.describe()


def test_a_stored_code_harmonizes_as_the_one_that_was_made():
    code = METHOD.encode(data(1)["image"], "t1w")
    read = METHOD.read_code(StoredCode("t1w", code.numbers(), method="haca3plus"))
    first, second = METHOD.harmonize(data(), [code, read])
    assert torch.equal(first.image, second.image) and first.image.any()


def test_an_image_brought_to_its_own_code_stays_as_it_is():
    given = data()
    (result,) = METHOD.harmonize(given, [METHOD.encode(given["image"], "t1w")])
    torch.testing.assert_close(result.image[0], given["image"][0], rtol=1e-4, atol=1e-5)


def test_features_are_a_table_of_sources_and_slices():
    header, rows = METHOD.features_table({"t1w": METHOD.features(data())})  # type: ignore[dict-item]
    assert header == [
        *("orientation", "slice", "source", "area", "visible"),
        *(f"theta{n}" for n in range(1, 5)),
        *("eta1", "eta2", "severity"),
    ]
    # Two sources in two slices of three planes.
    assert len(rows) == 12 and {row[2] for row in rows} == {"t1w", "flair"}


def test_a_contrast_that_a_target_lacks_is_refused():
    with pytest.raises(InputError, match="an image of pd must show something above 0.01, it shows nothing"):
        METHOD.encode(data()["image"], "pd")


def test_settings_that_decide_an_output_are_told():
    assert METHOD.describe() == {"name": "haca3plus", "network_def": METHOD.network, "inferer": METHOD.inferer}
    assert METHOD.can.stored_codes and METHOD.can.imputes and METHOD.can.targets and not METHOD.can.companions
