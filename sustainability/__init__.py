"""What a deployment needs, worked out before anything runs: plan, footprint, Regions, rules."""
