"""Times of SDC and of its peers, each engine in a process of its own."""
