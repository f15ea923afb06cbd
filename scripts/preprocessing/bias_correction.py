"""N4: the smooth gain of the receive coils, estimated from an image itself and divided out (Tustison 2010)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from ..base.errors import InputError
from ..images.nifti import NativeImage
from ..images.resampling import using_itk

# Of the mean: what N4 takes the logarithm of is above 0.
_FLOOR = 1e-3
# N4 needs some extent along each axis.
_FEWEST_VOXELS = 4


@dataclass(frozen=True)
class BiasCorrection:
    """Divides an image by its gain field and keeps its mean.

    The field is estimated on voxels of about `voxel_mm`, where the image is brighter than its mean, with `iterations`
    at each fitting level; `control_points` along each axis at the first, twice as many spans at each further one.
    """

    voxel_mm: float = 4.0
    iterations: Sequence[int] = (20, 20, 20, 20)
    control_points: int = 4

    def __post_init__(self) -> None:
        if not self.voxel_mm > 0:
            raise InputError(f"`voxel_mm` of the bias correction must be above 0, got {self.voxel_mm}")
        if not self.iterations or min(self.iterations) < 1:
            raise InputError(
                f"`iterations` of the bias correction must be whole numbers of at least 1, got {self.iterations}"
            )
        # The splines are cubic.
        if self.control_points < 4:
            raise InputError(f"`control_points` of the bias correction must be at least 4, got {self.control_points}")

    def __call__(self, image: NativeImage) -> NativeImage:
        """The corrected image, on the same grid."""
        low, high = image.voxels.min(), image.voxels.max()
        if low == high:
            raise InputError(
                f"image {image.path} must not be constant for its bias to be corrected, it is {low:g} everywhere"
            )
        return replace(image, voxels=self.correct(image.voxels, image.affine))

    def correct(self, voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Voxels (X, Y, Z) float32 of which not all are equal, corrected."""
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        coarsest = np.maximum(np.array(voxels.shape) // _FEWEST_VOXELS, 1)
        factors = [int(factor) for factor in np.clip(np.rint(self.voxel_mm / spacing), 1, coarsest)]
        whole = torch.from_numpy(np.ascontiguousarray(voxels))
        coarse = F.avg_pool3d(whole[None, None], factors, ceil_mode=True)[0, 0].numpy()
        field = torch.from_numpy(self._estimate(coarse, spacing * factors))
        fine = F.interpolate(field[None, None], scale_factor=[float(f) for f in factors], mode="trilinear")[0, 0]
        x, y, z = voxels.shape
        corrected = voxels / fine[:x, :y, :z].numpy()
        corrected *= voxels.mean(dtype=np.float64) / corrected.mean(dtype=np.float64)
        return corrected

    def _estimate(self, coarse: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """The field (X, Y, Z) float32 on the coarse voxels, up to a factor."""
        # N4 does not quite forget the unit of intensity.
        relative = (coarse / coarse.mean(dtype=np.float64)).astype(np.float32)
        with using_itk() as itk:
            # ITK counts axes backwards.
            image = itk.image_from_array(np.ascontiguousarray(np.maximum(relative, np.float32(_FLOOR)).T))
            mask = itk.image_from_array(np.ascontiguousarray((relative > 1).T.astype(np.uint8)))
            for each in (image, mask):
                each.SetSpacing(spacing.tolist())
            n4 = itk.N4BiasFieldCorrectionImageFilter[type(image), type(mask), type(image)].New(image)
            n4.SetMaskImage(mask)
            n4.SetNumberOfFittingLevels([len(self.iterations)] * 3)
            n4.SetNumberOfControlPoints([self.control_points] * 3)
            n4.SetMaximumNumberOfIterations(list(self.iterations))
            n4.Update()
            field = itk.array_from_image(image) / itk.array_from_image(n4.GetOutput())
        return np.ascontiguousarray(field.T)
