"""Speed and memory, measured and never tested: `make bench`."""
