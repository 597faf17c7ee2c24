"""Films and descriptors of real patients: what little of them can be had, judged patient by patient and reported as what it is."""
