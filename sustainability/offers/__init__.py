"""What AWS offers in which Region: Bedrock models, SageMaker hosting, serving images."""
