"""Portals that are not there, over real HTTP: recorded and generated records, with the paging, faults and limits of
the real ones. For the demo, for tests and for operators' rehearsals."""
