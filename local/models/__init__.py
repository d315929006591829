"""Small, real models behind the wire shapes of Amazon Bedrock Runtime and SageMaker Runtime."""
