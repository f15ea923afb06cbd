"""How alike two images are in a region."""

from collections.abc import Mapping

from monai.transforms.utils import generate_spatial_bounding_box
from torch import Tensor

from ..evaluation.work import ImageMetric
from ..metrics.ssim import Similarity


def measure_inside(
    metrics: Mapping[str, ImageMetric], image: Tensor, reference: Tensor, region: Tensor
) -> dict[str, float]:
    """Each of `metrics` between two volumes (X, Y, Z) inside a boolean `region`."""
    # What lies outside the region's box changes no metric, and would take most of the time.
    box = tuple(slice(*ends) for ends in zip(*generate_spatial_bounding_box(region[None]), strict=True))
    arrays = [volume[box].numpy() for volume in (image, reference, region)]
    results = {name: metric(*arrays) for name, metric in metrics.items()}
    return {name: float(r.value if isinstance(r, Similarity) else r) for name, r in results.items()}
