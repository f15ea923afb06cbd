"""What MONAI Label does with the method's config, step by step, without its server."""

from pathlib import Path

import torch
from monai.bundle import ConfigParser

from ...harmonize.tiny_subjects import BUNDLE, write_ball
from .test_train_ssim import METHOD


def test_monai_label_offers_the_labels_and_answers_with_one(tmp_path: Path):
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / name) for name in ("inference.json", "method_ssim.json")])
    styles = [["site:Oslo"], ["site:Bergen"]]
    random = {"styles": styles, "random_weights": True, "device": "cpu", "registration": "none"}
    parser.update({"bundle_root": str(BUNDLE), **METHOD, **random})
    offered = parser.get_parsed_content("displayable_configs")
    assert offered["target"] == ["site:Oslo", "site:Bergen", "agnostic"]
    image = write_ball(tmp_path / "sub-01_T1w.nii.gz", seed=1)
    data = {**offered, "model_filename": "ssim.pt", "image": str(image), "target": "site:Bergen"}
    for transform in parser.get_parsed_content("pre_transforms"):
        data = transform(data)
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], parser.get_parsed_content("network"))[
            0
        ]
    for transform in parser.get_parsed_content("post_transforms"):
        data = transform(data)
    assert data["pred"].any() and data["pred"].isfinite().all()
    assert data["result"]["target"]["name"] == "site:Bergen"
    assert data["result"]["target"]["labels"] == {"site:Bergen": 1.0, "site:Oslo": -1.0}
