"""The smallest model that is good enough, by a golden set of questions."""
