"""The embedded AWS: everything the stacks need, on a laptop."""
