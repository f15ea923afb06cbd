"""People on disk as maps of tissue, and slices of them as scanners drawn without end would show them."""
