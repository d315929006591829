"""Which rung of customization to climb to next, if any."""
