"""What the Model Zoo does with a bundle before it takes it, `ci/verify_bundle.py` in full mode, and what users do then.

    python verify_bundle.py BUNDLE RESULTS [SCHEMA]

prints a line of JSON for each check: its name, and what went wrong, if anything. The bundle's folder comes first on the
import path, as there, and nothing is left out for this bundle. Files of the checks go to the folder RESULTS.
"""

import json
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ckpt_export, create_workflow, load, onnx_export, verify_metadata, verify_net_in_out

NETWORK = "network_def"


class Checks:
    """Each method is one check; an exception says what is wrong."""

    def __init__(self, bundle: Path, results: Path, schema: Path | None) -> None:
        self.bundle, self.results, self.schema = bundle, results, schema
        self.meta_file = bundle / "configs" / "metadata.json"
        self.metadata = json.loads(self.meta_file.read_text())
        torch.manual_seed(0)
        self.image = torch.rand(1, 4, 224, 224)

    def directory(self) -> None:
        """Files that must be there, and those that are preferred."""
        names = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt")
        missing = [name for name in (*names, "docs/README.md") if not (self.bundle / name).is_file()]
        assert not missing, missing
        links = [path for path in self.bundle.rglob("*") if path.is_symlink()]
        assert not links, links

    def version_and_changelog(self) -> None:
        """The version has its entry."""
        assert self.metadata["version"] in self.metadata["changelog"]

    def metadata_schema(self) -> None:
        """The file is put where the Zoo's CI has it, so that MONAI does not download it."""
        copy = self.results / "schema.json"
        assert self.schema is not None
        shutil.copyfile(self.schema, copy)
        verify_metadata(meta_file=str(self.meta_file), filepath=str(copy))

    def inference_properties(self) -> None:
        """As the Zoo's unit tests do it: with some data."""
        self._check_properties("inference", sources={"t1w": "a_T1w.nii.gz"}, target="siemens_3t", target_contrast="t1w")

    def training_properties(self) -> None:
        """With an output folder of its own, where curves go."""
        self._check_properties("train", output_dir=str(self.results / "training"))

    def data_shape(self) -> None:
        """The network takes and gives what the metadata says."""
        verify_net_in_out(NETWORK, bundle_root=str(self.bundle), **self._files("inference"))

    def torchscript(self) -> None:
        """Exported with the weights that ship, it gives what the network gives, for any target."""
        file = self._export(ckpt_export, "model.ts")
        network = self._network()
        target = network.default_target.roll(1, -1)
        with torch.inference_mode():
            exported, expected = (each(self.image, target) for each in (torch.jit.load(file), network))
        torch.testing.assert_close(exported, expected, rtol=0, atol=1e-5)

    def onnx(self) -> None:
        """What MONAI exports has one input; it gives what the network gives for the default target."""
        import onnxruntime

        session = onnxruntime.InferenceSession(self._export(onnx_export, "model.onnx"))
        (given,) = session.get_inputs()
        # MONAI exports for the smallest size that the metadata allows.
        image = torch.rand(*given.shape)
        (exported,) = session.run(None, {given.name: image.numpy()})
        with torch.inference_mode():
            expected = self._network()(image)
        assert expected.any()
        torch.testing.assert_close(torch.from_numpy(exported), expected, rtol=0, atol=1e-4)

    def load(self) -> None:
        """`monai.bundle.load` on the unzipped folder gives the network of inference, with its weights."""
        state = torch.load(self.bundle / "models" / "model.pt", weights_only=True)
        network = load(
            self.bundle.name,
            bundle_dir=str(self.bundle.parent),
            workflow_type="inference",
            device="cpu",
            source="github",
        )
        filled = network.state_dict()
        assert state.keys() == filled.keys()
        assert all(torch.equal(filled[name], value.float()) for name, value in state.items())

    def _files(self, workflow: str) -> dict[str, str]:
        return {"meta_file": str(self.meta_file), "config_file": str(self.bundle / "configs" / f"{workflow}.json")}

    def _check_properties(self, workflow_type: str, **overrides: Any) -> None:
        workflow = create_workflow(
            workflow_type=workflow_type,
            bundle_root=str(self.bundle),
            logging_file=str(self.bundle / "configs" / "logging.conf"),
            **self._files(workflow_type),
            **overrides,
        )
        wrong = workflow.check_properties()
        assert wrong == [], wrong
        workflow.finalize()

    def _export(self, export: Callable[..., None], name: str) -> str:
        file = str(self.results / name)
        weights = str(self.bundle / "models" / "model.pt")
        export(
            net_id=NETWORK,
            filepath=file,
            ckpt_file=weights,
            key_in_ckpt="",
            bundle_root=str(self.bundle),
            **self._files("inference"),
        )
        return file

    def _network(self) -> torch.nn.Module:
        workflow = create_workflow(
            workflow_type="inference", logging_file=False, bundle_root=str(self.bundle), **self._files("inference")
        )
        network = workflow.network_def.eval()
        network.load_state_dict(torch.load(self.bundle / "models" / "model.pt", weights_only=True))
        return network


CHECKS = [name for name in vars(Checks) if not name.startswith("_")]


def main(bundle: str, results: str, schema: str | None = None) -> None:
    """Run every check; one that fails stops no other."""
    sys.path.insert(0, bundle)
    checks = Checks(Path(bundle), Path(results), None if schema is None else Path(schema))
    for name in CHECKS:
        wrong = ""
        try:
            getattr(checks, name)()
        except Exception:
            wrong = traceback.format_exc()
        print(json.dumps([name, wrong]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
