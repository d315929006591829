"""Daily batch windows, which answer questions that can wait."""
