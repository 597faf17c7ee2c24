"""Servers that other people's software makes of the same artifact, each as its documentation shows; and the network with no server at all."""
