"""Two studies or tables held against each other: ratios with intervals, a verdict in words."""
