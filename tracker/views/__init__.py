"""What is known, as values: read out of the database for commands, API and page alike. Prints nothing."""
