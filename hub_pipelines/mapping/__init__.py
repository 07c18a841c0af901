"""Which column of a sender's file is which column of the contract, when the headings are the sender's own."""
