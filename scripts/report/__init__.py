"""Tables and figures: everything here derives from measurements that are on disk as CSV."""
