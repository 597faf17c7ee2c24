"""The service beside its peers: the same artifact, files, threads and decoder behind each, and every answer checked."""
