"""Decisions before anything runs: Regions, service levels, models, Bedrock or instances."""
