"""Lambda functions, and the bundles with their code."""
