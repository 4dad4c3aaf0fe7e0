"""Operators, compositions of them, and their YAML."""
