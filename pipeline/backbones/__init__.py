"""Backbones: image to embedding. A convolution factory and an optional side input are handed in."""
