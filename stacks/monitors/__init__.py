"""What is watched, one file for each thing that is: its metrics, its alarms, its graphs."""
