"""What a value is: its data version, its outline and a preview, the same for every library that can hold it.

Imports no data library; an adapter acts on what the program has imported already.
"""

from __future__ import annotations

from nacre.values.dispatch import identify, settle
from nacre.values.glimpse import Preview, preview
from nacre.values.identity import ValueIdentity
from nacre.values.without import Without, without

__all__ = ["Preview", "ValueIdentity", "Without", "identify", "preview", "settle", "without"]
