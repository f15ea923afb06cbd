"""What training minimises: a loss gives its terms, unweighted, by name, and their weighted sum as `total`."""
