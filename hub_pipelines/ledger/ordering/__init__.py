"""When the newest message about each item occurred, so that an older one that comes late changes nothing."""
