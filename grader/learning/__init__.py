"""Apprendre à parler à un chat : de son client, des dialectes connus, ou de son code."""
