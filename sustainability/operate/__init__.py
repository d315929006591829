"""The calls to an AWS account: deploy, check before, read what is there."""
