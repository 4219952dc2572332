"""The report: one self-contained HTML page of data, models, results and costs of a pipeline."""
