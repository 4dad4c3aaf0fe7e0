"""Hydra configs to operators and back."""
