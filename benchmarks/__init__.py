"""Benchmarks, each beside a floor measured in the same run: ratios to it are comparable between machines."""
