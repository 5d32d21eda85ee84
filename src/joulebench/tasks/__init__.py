"""Tasks: what is asked, and how an answer is graded."""
