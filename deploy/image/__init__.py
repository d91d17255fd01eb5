"""What runs while an image is built, and in it: each on the standard library alone."""
