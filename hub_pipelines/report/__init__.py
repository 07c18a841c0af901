"""What people are told: receipts for senders, the state of the hub for operators."""
