"""Tables and figures of evaluations, from measurements that are on disk as CSV; in `qc`, pages about runs."""
