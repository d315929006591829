"""The hourly footprint record of a deployment: metrics and a history, from CloudWatch's counts."""
