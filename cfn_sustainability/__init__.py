"""Sustainability rules for CloudFormation and CDK: a cdk-nag pack and a scanner over one engine."""
