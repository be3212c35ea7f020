"""The pages of the book, and what runs its chapters and builds its site."""
