"""The serving plan: from a service level and traffic to instances, schedules and thresholds."""
