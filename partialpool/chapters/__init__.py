"""What only the chapters need: verdicts, census samples, scores over sets, the race."""
