"""Constructs that stacks share, or that deserve a test of their own."""
