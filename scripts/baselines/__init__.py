"""Classical harmonization: intensity maps of one image onto another, and ComBat for tables of features."""
