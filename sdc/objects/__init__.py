"""Objects of an image: documents, rasters, ranking, and the map of groups."""
