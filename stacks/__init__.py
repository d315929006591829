"""The stacks: a deployment and its plan, turned into infrastructure."""
