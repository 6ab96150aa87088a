"""Juger : une étape par module, et ce qui les enchaîne."""
