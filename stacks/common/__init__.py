"""Code for all stacks: acknowledged findings and permissions."""
