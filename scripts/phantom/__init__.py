"""Simulated traveling subjects: anatomy from the MNI152 template, signals from MR physics, scanners as data."""
