"""What the networks of more than one method are built of."""
