"""What has changed in a ledger since one of its versions, and which of its items say something."""
