"""What third parties test with: random streams and the synthetic model."""
