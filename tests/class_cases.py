"""Small modules whose asset depends on what a class is made of, and edits of them."""

from __future__ import annotations

# Claim → (text, a piece of it, what that becomes): an edit that counts.
MADE = {
    "functional Enum": (
        """
        from enum import Enum
        Color = Enum('Color', 'RED GREEN')

        def asset():
            return Color.RED
        """,
        "RED GREEN",
        "RED BLUE",
    ),
    "functional Enum with values": (
        """
        from enum import Enum
        Color = Enum('Color', {'RED': 1})

        def asset():
            return list(Color)
        """,
        "1",
        "2",
    ),
    "namedtuple fields": (
        """
        from collections import namedtuple
        Row = namedtuple('Row', 'a b')

        def asset():
            return Row(1, 2)
        """,
        "a b",
        "b a",
    ),
    "namedtuple defaults": (
        """
        from collections import namedtuple
        Row = namedtuple('Row', 'a', defaults=[1])

        def asset():
            return Row()
        """,
        "defaults=[1]",
        "defaults=[2]",
    ),
    "make_dataclass": (
        """
        import dataclasses as d
        Row = d.make_dataclass('Row', [('a', int, d.field(default=1))])

        def asset():
            return Row()
        """,
        "default=1",
        "default=2",
    ),
    "make_dataclass types": (
        """
        import dataclasses as d
        Row = d.make_dataclass('Row', [('a', int)])

        def asset():
            return Row(1)
        """,
        "int",
        "float",
    ),
    "class made by type": (
        """
        Row = type('Row', (), {'size': 1})

        def asset():
            return Row.size
        """,
        "1",
        "2",
    ),
    "functional TypedDict": (
        """
        from typing import TypedDict
        Row = TypedDict('Row', {'a': int})

        def asset():
            return Row(a=1)
        """,
        "int",
        "str",
    ),
    "functional NamedTuple": (
        """
        from typing import NamedTuple
        Row = NamedTuple('Row', [('a', int)])

        def asset():
            return Row(1)
        """,
        "int",
        "str",
    ),
    "TypedDict": (
        """
        from typing import TypedDict

        class Row(TypedDict):
            a: int

        def asset():
            return Row(a=1)
        """,
        "a: int",
        "a: str",
    ),
    "TypedDict total": (
        """
        from typing import TypedDict

        class Row(TypedDict, total=False):
            a: int

        def asset():
            return Row()
        """,
        "False",
        "True",
    ),
    "inherited TypedDict": (
        """
        from typing import TypedDict

        class Top(TypedDict):
            a: int

        class Row(Top):
            b: int

        def asset():
            return Row(a=1, b=1)
        """,
        "a: int",
        "a: str",
    ),
    "NamedTuple": (
        """
        from typing import NamedTuple

        class Row(NamedTuple):
            a: int = 1
            def twice(self):
                return self.a * 2

        def asset():
            return Row().twice()
        """,
        "* 2",
        "* 3",
    ),
    "NamedTuple default": (
        """
        from typing import NamedTuple

        class Row(NamedTuple):
            a: int = 1

        def asset():
            return Row()
        """,
        "= 1",
        "= 2",
    ),
    "argument of a base": (
        """
        def base(n):
            return type('Base', (), {'n': n})

        class Row(base(1)):
            x = 0

        def asset():
            return Row.n
        """,
        "base(1)",
        "base(2)",
    ),
    "attribute set on a class": (
        """
        class Model:
            size = 1

        Model.limit = 3

        def asset():
            return Model.limit
        """,
        "limit = 3",
        "limit = 4",
    ),
    "attribute of the body set again": (
        """
        class Model:
            size = 1

        Model.size = 3

        def asset():
            return Model.size
        """,
        "size = 3",
        "size = 4",
    ),
    "attribute set by a function": (
        """
        class Model:
            pass

        def configure(n):
            Model.limit = n

        configure(3)

        def asset():
            return Model.limit
        """,
        "configure(3)",
        "configure(4)",
    ),
    "attribute set by setattr": (
        """
        class Model:
            pass

        setattr(Model, 'limit', 3)

        def asset():
            return Model.limit
        """,
        ", 3",
        ", 4",
    ),
    "subclasses": (
        """
        class Base:
            pass

        class One(Base):
            n = 1

        def asset():
            return [each.n for each in Base.__subclasses__()]
        """,
        "n = 1",
        "n = 2",
    ),
    "subclasses of the class that asks": (
        """
        class Base:
            @classmethod
            def every(cls):
                return cls.__subclasses__()

        class One(Base):
            n = 1

        def asset():
            return Base.every()
        """,
        "n = 1",
        "n = 2",
    ),
    "subclass of a subclass": (
        """
        class Base:
            pass

        class One(Base):
            pass

        class Two(One):
            n = 1

        def asset():
            return Base.__subclasses__()
        """,
        "n = 1",
        "n = 2",
    ),
    "subclasses that register themselves": (
        """
        class Base:
            known = {}
            def __init_subclass__(cls):
                Base.known[cls.__name__] = cls

        class One(Base):
            n = 1

        def asset():
            return Base.known['One'].n
        """,
        "n = 1",
        "n = 2",
    ),
    "instance that says what identifies it": (
        """
        import io

        class Client(io.BytesIO):
            def __fp_key__(self):
                return 'v1'

        client = Client()

        def asset():
            return client
        """,
        "v1",
        "v2",
    ),
    "key set on an instance": (
        """
        class Client:
            def __init__(self):
                self.socket = object()

        client = Client()
        client.__fp_key__ = 'v1'

        def asset():
            return client
        """,
        "v1",
        "v2",
    ),
    "class that says what identifies it": (
        """
        class Model:
            __fp_key__ = 'v1'
            size = 3

        def asset():
            return Model.size
        """,
        "v1",
        "v2",
    ),
    "class method that says what identifies the class": (
        """
        class Model:
            @classmethod
            def __fp_key__(cls):
                return 'v1'

        def asset():
            return Model
        """,
        "v1",
        "v2",
    ),
    "attrs instance": (
        """
        import attrs

        @attrs.define
        class Settings:
            size: int = 1

        settings = Settings(2)

        def asset():
            return settings.size
        """,
        "Settings(2)",
        "Settings(3)",
    ),
    "attribute that a dataclass does not declare": (
        """
        from dataclasses import InitVar, dataclass

        @dataclass
        class Settings:
            size: int
            factor: InitVar[int]

            def __post_init__(self, factor):
                self.kept = factor

        settings = [Settings(1, 2)]

        def asset():
            return settings[0].kept
        """,
        "Settings(1, 2)",
        "Settings(1, 3)",
    ),
    "attrs default": (
        """
        import attrs

        @attrs.frozen
        class Settings:
            size: int = 1

        settings = Settings()

        def asset():
            return settings.size
        """,
        "= 1",
        "= 2",
    ),
    "pydantic instance": (
        """
        import pydantic

        class Settings(pydantic.BaseModel):
            size: int = 1

        settings = Settings(size=2)

        def asset():
            return settings.size
        """,
        "size=2",
        "size=3",
    ),
    "pydantic constraint": (
        """
        import pydantic

        class Settings(pydantic.BaseModel):
            size: int = pydantic.Field(1, gt=0)

        def asset():
            return Settings()
        """,
        "gt=0",
        "gt=-1",
    ),
    "subclass of a pinned class": (
        """
        from nacre.version.code import stable

        @stable
        class Top:
            pass

        class Model(Top):
            size = 1

        def asset():
            return Model.size
        """,
        "size = 1",
        "size = 2",
    ),
}
