"""Answers about many streams that need no pixel: COCO files, what is in them, how many bytes they take."""
