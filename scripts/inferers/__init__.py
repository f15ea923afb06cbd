"""From a subject's sources to volumes of the target's contrast, in memory."""
