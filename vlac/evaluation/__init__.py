"""Judging a trained model: its codes, the probe, the metrics of clusterings."""
