"""HACA3 and HACA3+; see README.md for the papers' symbols and equations."""
