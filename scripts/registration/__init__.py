"""Rigid registration of raw images to MNI152 space."""
