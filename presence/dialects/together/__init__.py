"""The Together dialect: gateway frames and REST bodies, bytes in, values out and back."""
