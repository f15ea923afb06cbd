"""HACA3+ with a way for identity: see README.md."""
