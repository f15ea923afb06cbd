"""Any MONAI segmentation bundle as the segmenter of the evaluation."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import SpatialResample

from ..base.errors import InputError
from ..base.regions import REGIONS
from ..images.grid import GRID_AFFINE, GRID_SHAPE
from ..images.volumes import write_volume


class MonaiBundleSegmenter:
    """Image (X, Y, Z) on the working grid -> region label map (X, Y, Z) uint8, by the bundle in `bundle_dir`.

    `label_map` names for each region the labels of the bundle that make it up. The bundle's inference config must have
    the ids `network_def`, `preprocessing` (a dictionary transform that loads the file under the key `image_key`) and
    `inferer`, as the bundles of the MONAI model zoo do; code of its own cannot be imported from it.
    """

    def __init__(
        self,
        bundle_dir: str | Path,
        label_map: Mapping[str, Sequence[int]],
        config: str = "configs/inference.json",
        weights: str = "models/model.pt",
        image_key: str = "image",
        device: str = "cpu",
    ) -> None:
        """Build network, preprocessing and inferer, and load the weights."""
        bundle = Path(bundle_dir)
        if unknown := sorted(set(label_map) - set(REGIONS)):
            raise InputError(f"`label_map` must name regions out of {', '.join(REGIONS)}, got {', '.join(unknown)}")
        for file in (bundle / config, bundle / weights):
            if not file.is_file():
                raise InputError(f"segmentation bundle needs the file {file}, which does not exist")
        parser = ConfigParser()
        parser.read_config(bundle / config)
        parser["bundle_root"] = str(bundle)
        if missing := [key for key in ("network_def", "preprocessing", "inferer") if key not in parser]:
            raise InputError(f"bundle config {bundle / config} must define {', '.join(missing)}")
        self.label_map, self.image_key, self.device = label_map, image_key, torch.device(device)
        self.preprocessing = parser.get_parsed_content("preprocessing")
        self.inferer = parser.get_parsed_content("inferer")
        self.network = parser.get_parsed_content("network_def").to(self.device).eval()
        state = torch.load(bundle / weights, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state.get("model", state))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment one image; the labels are brought back to the working grid by nearest neighbour."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "image.nii.gz"
            write_volume(file, image.astype(np.float32))
            prepared = self.preprocessing({self.image_key: str(file)})[self.image_key]
        with torch.no_grad():
            scores = self.inferer(prepared.as_tensor()[None].to(self.device), self.network).cpu()
        # A single channel is the foreground score of a binary bundle.
        found = scores[0].argmax(dim=0) if scores.shape[1] > 1 else scores[0, 0] > 0
        to_grid = SpatialResample(mode="nearest", padding_mode="zeros")
        found = to_grid(
            MetaTensor(found[None].float(), affine=prepared.affine),
            dst_affine=torch.from_numpy(GRID_AFFINE),
            spatial_size=GRID_SHAPE,
        )[0].numpy()
        labels = np.zeros(GRID_SHAPE, dtype=np.uint8)
        for name, members in self.label_map.items():
            labels[np.isin(found.round(), list(members))] = REGIONS.index(name) + 1
        return labels
