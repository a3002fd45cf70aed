"""What a device does, measured in one run and kept as one JSON file: `gorilla-rag bench`.

One section a file: each yields rows of figures, with units in their keys (seconds, bytes, things per second). Nothing
else imports this package.
"""
