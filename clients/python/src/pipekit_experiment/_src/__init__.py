"""What the public modules are made of. Import from `pipekit_experiment`, not from here."""
