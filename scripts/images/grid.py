"""The one grid on which networks, phantoms and metrics work.

1 mm voxels in MNI152 space, LAS voxel order: x grows towards the left, y towards anterior, z towards superior.
"""

import numpy as np

GRID_SHAPE: tuple[int, int, int] = (192, 224, 192)

GRID_AFFINE = np.array(
    [
        [-1.0, 0.0, 0.0, 96.0],
        [0.0, 1.0, 0.0, -132.0],
        [0.0, 0.0, 1.0, -78.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
