"""Training: slices in, weights out."""
