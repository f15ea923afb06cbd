"""The engine that runs a method over the subjects of a study."""
