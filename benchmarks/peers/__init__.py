"""Servers that other people's software makes of one artifact, each as its documentation shows; and the network with no server."""
