"""What was sent, kept as it was sent: a content-addressed, write-once object store in a local folder."""
