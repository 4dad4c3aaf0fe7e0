"""The reference training loop, its backends and callbacks."""
