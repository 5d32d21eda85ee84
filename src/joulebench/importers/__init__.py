"""Other people's results, read into studies of our own form."""
