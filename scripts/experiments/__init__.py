"""Experiments of the HACA3+ and HACA3 papers, repeated on simulated people whom no training has seen."""
