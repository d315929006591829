"""The footprint and the requirements of each kind of knowledge store: one module for each kind."""
