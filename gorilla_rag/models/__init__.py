"""Models: which weights exist, where they come from, and whether they are on this machine."""
