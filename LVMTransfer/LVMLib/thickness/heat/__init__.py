"""Laplace's equation between the two surfaces."""
