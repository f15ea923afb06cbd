"""Metrics, statistics, and the tables and figures made of them."""
