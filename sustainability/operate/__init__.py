"""What asks an AWS account: deploying, checking before, reading what is there."""
