"""What goes out to others: who is told of what, in which words, and by which way. Decides about no run."""
