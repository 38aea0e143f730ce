"""Makes everything in ``vectors/``, always the same bytes, and what decoders hold of the registry."""
