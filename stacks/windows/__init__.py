"""Daily windows in which questions that can wait are answered."""
