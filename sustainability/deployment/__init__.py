"""What an environment needs: the schema of its YAML file, and errors with lines."""
