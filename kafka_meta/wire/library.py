"""kafka-python without its clients. Import it before anything of `kafka`.

`kafka/__init__.py` imports an admin client, a consumer and a producer, with every request that they know: 0.28 s, which
is a quarter of the time that a command needs before its first request. Here only requests and connections are used. So
the package's own code is run when somebody asks for a name that is none of its modules.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_NAME = "kafka"


class _Package(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and find_spec(f"{_NAME}.{name}") is not None:
            return importlib.import_module(f"{_NAME}.{name}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert self.__spec__ is not None and self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


if _NAME not in sys.modules:
    spec = find_spec(_NAME)
    assert spec is not None
    package = module_from_spec(spec)
    package.__class__ = _Package
    sys.modules[_NAME] = package
