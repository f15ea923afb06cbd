"""What is done to each image before it is brought to the working grid, and to which images."""

from collections.abc import Callable
from dataclasses import dataclass

from ..base.errors import InputError
from ..images.nifti import NativeImage
from ..images.sources import Correction


@dataclass(frozen=True)
class OnlyRaw:
    """A `correction` of those images that `recognition` does not know to be preprocessed."""

    correction: Correction
    recognition: Callable[[NativeImage], bool]

    def __call__(self, image: NativeImage) -> NativeImage:
        """The image, corrected if it is raw."""
        return image if self.recognition(image) else self.correction(image)


def choose_corrections(
    correct_bias: bool | str,
    bias_correction: Correction,
    registration: str,
    recognition: Callable[[NativeImage], bool],
    super_resolution: Correction | None = None,
) -> list[Correction]:
    """The corrections of a run, in order.

    With `correct_bias` auto, what is raw is corrected: by `registration` rigid every image, by none no image. The
    command line hands true and false over as words.
    """
    wanted = str(correct_bias).lower()
    if wanted not in ("true", "false", "auto"):
        raise InputError(f"`correct_bias` must be true, false or auto, got {correct_bias}")
    every = wanted == "true" or (wanted == "auto" and registration == "rigid")
    only_raw = wanted == "auto" and registration == "auto"
    corrections: list[Correction] = [bias_correction] if every else []
    if only_raw:
        corrections.append(OnlyRaw(bias_correction, recognition))
    if super_resolution is not None:
        corrections.append(super_resolution)
    return corrections
