"""What is known of the metrics that monitors use, and how fast an error budget may burn."""
