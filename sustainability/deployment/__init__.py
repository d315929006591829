"""The deployment file: its schema, its units, and errors with line numbers."""
