"""What is to be done: the subjects of a run, their sources and targets, and how outputs are named."""
