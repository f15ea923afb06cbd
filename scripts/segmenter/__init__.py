"""Training of the network that segments brain images of any contrast."""
