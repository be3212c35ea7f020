"""What the book's timings and references come from: scripts, run by name."""
