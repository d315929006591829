"""What another version of this repository changes: infrastructure, footprint, and what is to do."""
