"""The methods' networks, one file for each."""
