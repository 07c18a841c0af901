"""When a source changes its columns: header shapes, what differs from before, and the migrations that people write."""
