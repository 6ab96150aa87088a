"""Rendre compte : les options de pytest, la note, et un module par forme de compte rendu."""
