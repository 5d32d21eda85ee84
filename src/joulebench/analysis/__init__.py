"""What the runs of a study say about its questions, and what its design lets them say."""
