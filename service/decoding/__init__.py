"""Studies are read in worker processes: a hostile file may hang, grow or kill one of them, and costs one request."""
