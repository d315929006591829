"""Lambda functions, and the bundles that they run."""
