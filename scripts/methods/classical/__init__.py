"""Methods without training, to compare with."""
