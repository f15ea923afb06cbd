"""MMH; see README.md for the paper's symbols and equations."""
