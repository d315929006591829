"""The knowledge stores, one module for each engine."""
