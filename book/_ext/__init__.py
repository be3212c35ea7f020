"""Sphinx extensions of this book, named in _config.yml."""
