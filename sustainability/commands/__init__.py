"""The commands of ``python -m sustainability``, one module each."""
