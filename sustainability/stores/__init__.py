"""What each kind of knowledge store takes, and what it needs: one module for each kind."""
