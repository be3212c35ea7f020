"""What only the chapters of the book need: verdicts, census samples, the race."""
