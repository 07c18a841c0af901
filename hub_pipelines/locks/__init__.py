"""Who holds what: leases of submissions, the home's lock, transactions that sleep. And ending a lease by hand."""
