"""What of a brain the working grid does not hold."""

import logging

from .resampling import NativeResult

logger = logging.getLogger(__name__)

# From which share on it is worth a word.
SMALLEST_SHARE = 0.001


def tell_what_is_cut_off(name: str, native: NativeResult, head: bool) -> None:
    """Warn where `name`, an image of a brain alone, ends at the grid's edge; of a `head` that is the neck, mostly."""
    if native.share_outside < SMALLEST_SHARE:
        return
    if head:
        logger.info("%s: %.1f %% of the head lies outside the working grid", name, 100 * native.share_outside)
        return
    logger.warning(
        "%s: %.1f %% of the brain lies outside the working grid and is left empty; check where the image lies, or"
        " have it registered with `--registration rigid`",
        name,
        100 * native.share_outside,
    )
