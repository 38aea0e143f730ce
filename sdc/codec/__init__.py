"""Images to streams and streams to images."""
