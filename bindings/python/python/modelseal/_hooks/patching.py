"""Puts hooks in, also into modules that are imported later, and takes them out again.

Everything goes by identity. A hook is taken out where it still stands; where somebody has put a patch of his own on top
of it, it stays below as a passage.
"""

from __future__ import annotations

import copyreg
import functools
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ClassMethodDescriptorType, FunctionType, ModuleType
from typing import Any, NamedTuple

from . import gate

#: What runs in an original's place: it is given the original and the call.
Call = Callable[..., Any]


class Point(NamedTuple):
    """A function of a library: `attribute` may be `Class.method`."""

    module: str
    attribute: str
    call: Call
    #: Modules by first parts of their names that keep the original where they have bound it.
    keep: tuple[str, ...] = ()


class Hook:
    """Stands for an original that is no Python function; like those it does not become a method."""

    def __init__(self, original: Any, call: Call) -> None:
        functools.update_wrapper(self, original, updated=())
        self.__modelseal_original__ = original
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not gate.active():
            return self.__modelseal_original__(*args, **kwargs)
        return self._call(self.__modelseal_original__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "__modelseal_original__"), name)

    def __reduce__(self) -> str:
        return str(self.__qualname__)


class ClassHook(type):
    """The type of what stands for a class that can be neither changed nor derived from: it is called as that is."""

    __modelseal_original__: Any
    __modelseal_call__: tuple[Call]

    def __new__(meta, name: str, bases: tuple[Any, ...], names: dict[str, Any], **kwargs: Any) -> Any:
        if any(isinstance(base, ClassHook) for base in bases):
            # As without us, which the original refuses.
            bases = tuple(getattr(base, "__modelseal_original__", base) for base in bases)
            return type(name, bases, names, **kwargs)
        return super().__new__(meta, name, bases, names)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not gate.active():
            return cls.__modelseal_original__(*args, **kwargs)
        return cls.__modelseal_call__[0](cls.__modelseal_original__, *args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        return getattr(type.__getattribute__(cls, "__modelseal_original__"), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.__modelseal_original__)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(getattr(other, "__modelseal_original__", other), cls.__modelseal_original__)


def _class_hook(original: Any, call: Call) -> Any:
    names = {name: getattr(original, name) for name in ("__doc__", "__module__", "__qualname__")}
    names.update(__modelseal_original__=original, __modelseal_call__=(call,))
    return ClassHook(original.__name__, (), names)


def hooked(original: Any, call: Call) -> Any:
    """What stands where `original` stood."""
    if isinstance(original, type):
        return _class_hook(original, call)
    if not isinstance(original, FunctionType):
        return Hook(original, call)

    @functools.wraps(original)
    def hook(*args: Any, **kwargs: Any) -> Any:
        if not gate.active():
            return original(*args, **kwargs)
        return call(original, *args, **kwargs)

    hook.__modelseal_original__ = original  # type: ignore[attr-defined]
    return hook


class Patches:
    """The hooks of this process."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points: dict[str, list[Point]] = {}
        for point in points:
            self._points.setdefault(point.module, []).append(point)
        self._finder = _Finder(self)
        self._lock = threading.RLock()
        #: (holder, attribute, what stands there, what stood there)
        self._set: list[tuple[Any, str, Any, Any]] = []
        self._seen: dict[str, ModuleType] = {}
        self._installed = False

    def after_fork(self) -> None:
        """A child starts with a lock that nobody holds."""
        self._lock = threading.RLock()

    def install(self) -> None:
        """Hooks what is imported, and what will be."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            sys.meta_path.insert(0, self._finder)
            for module in list(self._points):
                self.imported(module)
            self._rebind({id(old): new for _, _, new, old in self._set}, self._keepers())

    def remove(self) -> None:
        """Takes out what is still there."""
        with self._lock:
            if not self._installed:
                return
            self._installed = False
            sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self._finder]
            self._seen = {}
            set_, self._set = self._set, []
            for holder, attribute, new, old in reversed(set_):
                if vars(holder).get(attribute) is new:
                    setattr(holder, attribute, old)
                if getattr(copyreg.dispatch_table.get(old), "func", None) is _pickled:
                    del copyreg.dispatch_table[old]
            self._rebind({id(new): old for _, _, new, old in set_}, {})

    def imported(self, name: str) -> None:
        """Hooks a module of the table that is imported, as often as it is."""
        with self._lock:
            module = sys.modules.get(name)
            if not self._installed or module is None:
                return
            self._seen[name] = module
            for point in self._points[name]:
                self._apply(module, point)

    def targets(self, name: str) -> bool:
        """Whether a module has something to hook."""
        return name in self._points

    def catch_up(self) -> None:
        """Hooks modules that somebody else's importer has imported."""
        for name in self._points:
            module = sys.modules.get(name)
            if module is None or self._seen.get(name) is module:
                continue
            if not getattr(getattr(module, "__spec__", None), "_initializing", False):
                self.imported(name)

    def _apply(self, module: ModuleType, point: Point) -> None:
        holder: Any = module
        *classes, attribute = point.attribute.split(".")
        for name in classes:
            holder = vars(holder).get(name)
            if holder is None:
                return
            holder = vars(holder).get("__modelseal_original__", holder)
        old = vars(holder).get(attribute)
        bare = getattr(old, "__func__", old) if isinstance(old, (staticmethod, classmethod)) else old
        if bare is None or "__modelseal_original__" in getattr(bare, "__dict__", {}):
            return
        new: Any = self._standing(bare) if isinstance(holder, ModuleType) else None
        if new is None:
            is_method = isinstance(old, ClassMethodDescriptorType)
            new = hooked(_bound(old) if is_method else bare, point.call)
        if isinstance(old, ClassMethodDescriptorType):
            new = classmethod(new)
        elif isinstance(old, (staticmethod, classmethod)):
            new = type(old)(new)
        try:
            setattr(holder, attribute, new)
        except TypeError:  # a class that cannot be changed
            return
        self._set.append((holder, attribute, new, old))
        if isinstance(new, ClassHook) and old not in copyreg.dispatch_table:
            copyreg.dispatch_table[old] = functools.partial(_pickled, new)

    def _standing(self, original: Any) -> Any:
        """What stands for a function already under another name: pickling finds it by the name that it has."""
        return next(
            (new for holder, _, new, old in self._set if old is original and isinstance(holder, ModuleType)), None
        )

    def _keepers(self) -> dict[int, tuple[str, ...]]:
        keep = {(point.module, point.attribute): point.keep for points in self._points.values() for point in points}
        return {
            id(old): keep.get((holder.__name__, attribute), ())
            for holder, attribute, _, old in self._set
            if isinstance(holder, ModuleType)
        }

    def _rebind(self, instead: dict[int, Any], keep: dict[int, tuple[str, ...]]) -> None:
        """Changes the names that modules have bound, in one pass."""
        for module in list(sys.modules.values()):
            if not isinstance(module, ModuleType) or module.__name__.partition(".")[0] == "modelseal":
                continue
            names = vars(module)
            for name, value in list(names.items()):
                new = instead.get(id(value))
                if new is None or name == "__modelseal_original__":
                    continue
                if module.__name__.startswith(keep.get(id(value), ("\0",))):
                    continue
                names[name] = new
                if keep:
                    self._set.append((module, name, new, value))


def _bound(descriptor: Any) -> Any:
    """A class method of a class that is written in C or Rust, as a function of the class."""

    @functools.wraps(descriptor)
    def call(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return descriptor.__get__(None, cls)(*args, **kwargs)

    return call


def _pickled(standing: Any, instance: Any) -> Any:
    """How an instance is pickled whose class is found under its name no more, but what stands for it."""
    reduced = instance.__reduce_ex__(4)
    return (standing, reduced[1][1:], *reduced[2:])


class _Finder(MetaPathFinder):
    """Finds nothing itself; what others find of the table's modules is hooked once it has run."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._within = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        self._patches.catch_up()
        if not self._patches.targets(name) or getattr(self._within, "search", False):
            return None
        self._within.search = True
        try:
            spec = self._found(name, path, target)
        finally:
            self._within.search = False
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            self._hook(spec.loader, name)
        return spec

    def _found(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None

    def _hook(self, loader: Any, name: str) -> None:
        if isinstance(loader, type):
            return  # of modules in the interpreter itself, which are there from the start
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._patches.imported(name)

        loader.exec_module = exec_module
