"""The monthly footprint of a deployment, by component."""
