"""Who waits, in which order, and how long it will take: the rules before the decoders and before the networks. Knows neither."""
