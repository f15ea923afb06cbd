"""What the cohort's site probe knows of each image."""

import numpy as np

from .comparison import Comparison


def probe_features(comparison: Comparison) -> dict[str, list[float]]:
    """Brightness, sharpness and texture before and after; nothing where the packages for it are not installed."""
    try:
        from ..metrics.scaling import divide_by_percentile
        from ..metrics.site_probe import image_features
    except ImportError:
        return {}
    if comparison.before is None:
        return {}
    mask = comparison.inside & (comparison.before > 0)
    if not mask.any():
        return {}
    volumes = {"before": comparison.before, "after": comparison.harmonized}
    features = {when: image_features(divide_by_percentile(volume, mask), mask) for when, volume in volumes.items()}
    # Six digits tell apart what the probe can.
    return {when: [float(f"{value:.6g}") for value in np.ravel(numbers)] for when, numbers in features.items()}
