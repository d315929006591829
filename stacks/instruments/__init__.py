"""What alarms and graphs are made of: metrics that exist, thresholds that burn, colours."""
