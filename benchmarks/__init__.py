"""What is fast, and how fast: programs that measure, none of which is a test."""
