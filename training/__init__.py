"""How a model is made: synth, fit, export, evaluate. Needs torch; never shipped in the service image."""
