"""Network intensities back in those of the target."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform


class RestoreScaled(MapTransform):
    """Multiply volumes by the intensity that 1.0 stands for in the target, by 1 where that is unknown; None stays."""

    def __init__(
        self, keys: KeysCollection = "pred", scale_key: str = "target_scale", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale_key = scale_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the volumes by new ones."""
        result = dict(data)
        for key in self.key_iterator(result):
            if result[key] is not None:
                result[key] = result[key] * (result[self.scale_key] or 1.0)
        return result
