"""Image files and grids: reading and writing NIfTI, BIDS, resampling, orientations."""
