"""What a deployment took in each hour: metrics and a history, from what CloudWatch counted."""
