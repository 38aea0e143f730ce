"""Image files: reading, writing, colour, and contact sheets."""
