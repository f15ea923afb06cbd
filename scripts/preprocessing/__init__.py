"""What is done to images on the working grid before a method sees them, and undone behind it."""
