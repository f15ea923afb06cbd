"""What MONAI expects of a config to train with, whatever the folder it is started from."""

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import create_workflow

from ..harmonize.tiny_subjects import BUNDLE
from ..sampler.small_library import small_maker

HACA3 = ["train_scans.json", "train_haca3.json"]
STAGES = ([], HACA3, [*HACA3, "train_artifact.json"], [*HACA3, "train_fusion.json"])
WITH_PICTURES = ([], HACA3)


@pytest.mark.parametrize("overlays", STAGES, ids=lambda overlays: overlays[-1] if overlays else "train.json")
def test_a_config_has_the_properties_of_a_training(overlays: list[str], tmp_path: Path, monkeypatch: Any):
    data = {} if overlays else {"dataset_dir": small_maker(tmp_path / "library").run()}
    monkeypatch.chdir(tmp_path)
    workflow = create_workflow(
        workflow_type="train",
        config_file=[str(BUNDLE / "configs" / name) for name in ("train.json", *overlays)],
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        logging_file=False,
        bundle_root=str(BUNDLE),
        output_dir=str(tmp_path / "out"),
        initial_weights="",
        **data,
        **({"artifact_weights": ""} if overlays else {}),
    )
    assert workflow.check_properties() == []
    handlers = [type(handler).__name__ for handler in workflow.parser.get_parsed_content("train#handlers") if handler]
    pictures = ["SampleGrid"] * (overlays in WITH_PICTURES)
    assert handlers == [
        "ValidationHandler",
        "Checkpoints",
        *pictures,
        "TensorBoardStatsHandler",
        "EpochProgress",
    ]
    workflow.finalize()
