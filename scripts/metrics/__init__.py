"""Pure functions of images and numbers: formula, range and direction stand in each docstring."""
