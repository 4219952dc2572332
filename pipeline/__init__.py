"""likeness: face datasets in, small, accurate, explained face-recognition models out."""
