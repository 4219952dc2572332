"""Invented people and their photographs: a parametric head, drawn with torch, labelled exactly."""
