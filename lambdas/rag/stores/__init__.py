"""The knowledge stores: one module for each kind, with the same interface."""
