"""The race: every way to fit one crossed model, timed on the same rows."""
