"""The methods, a folder each; base.py is what all of them have in common."""
