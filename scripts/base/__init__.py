"""What every other folder may use: errors, names, files that appear whole, work in several processes."""
