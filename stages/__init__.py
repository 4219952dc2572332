"""The steps of the pipeline, one module each."""

from pipeline import guard

try:  # before a stage imports what takes seconds: DVC may be killed in these as well
    guard.follow_dvc()
except guard.OrphanError as error:
    raise SystemExit(f"error: {error}") from None
