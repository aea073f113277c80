"""What must not be seen: where it comes from, how it is kept, to whom it is lent."""
