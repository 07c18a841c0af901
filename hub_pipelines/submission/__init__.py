"""One submission's life: its envelope, its states, the lease to work on it, its attempts and retries."""
