"""Simulated artifacts: drawing them, applying them, and the calibration of their severity."""
