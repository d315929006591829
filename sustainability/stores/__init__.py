"""What each kind of knowledge store costs and requires: one module for each kind."""
