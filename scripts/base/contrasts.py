"""The four contrasts, in the one order that every array, table and config uses."""

CONTRASTS: tuple[str, ...] = ("t1w", "t2w", "pd", "flair")

# The suffix BIDS gives each contrast in a file name.
BIDS_SUFFIX: dict[str, str] = {"t1w": "T1w", "t2w": "T2w", "pd": "PDw", "flair": "FLAIR"}
CONTRAST_OF_SUFFIX: dict[str, str] = {suffix: contrast for contrast, suffix in BIDS_SUFFIX.items()}
