"""Brain MR image harmonization as a MONAI bundle: networks, phantoms, metrics and baselines."""
