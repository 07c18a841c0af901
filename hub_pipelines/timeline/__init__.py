"""The history of a submission, a file or a tag, for `hub why`."""
