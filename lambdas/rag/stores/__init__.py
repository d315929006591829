"""The knowledge stores: one module for each kind, alike to whoever writes and asks."""
