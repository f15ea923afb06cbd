"""Reading and writing: the working grid, the MNI152 template, NIfTI volumes and BIDS cohorts."""
