"""Training: data, losses, optimisers, and the loop."""
