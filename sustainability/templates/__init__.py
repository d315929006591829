"""What any CloudFormation template takes while nobody uses it."""
