"""Training and inference artifacts, and what they record of the environment."""
