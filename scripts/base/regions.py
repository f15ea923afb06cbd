"""The nine brain regions of HACA3+ Table 3; region i has label i + 1 in every label map."""

REGIONS: tuple[str, ...] = (
    "ventricles",
    "cerebellar_gm",
    "cerebrum_gm",
    "caudate",
    "thalamus",
    "putamen",
    "brainstem",
    "cerebellar_wm",
    "cerebral_wm",
)
