"""Small modules whose asset depends on what is set, registered or wrapped elsewhere, and edits of them."""

from __future__ import annotations

# Claim → (text, a piece of it, what that becomes): an edit that counts.
FILLED = {
    "dict filled by a function": (
        """
        TABLE = {}

        def fill():
            TABLE['x'] = 3

        fill()

        def asset():
            return TABLE['x']
        """,
        "= 3",
        "= 4",
    ),
    "dict filled by a function of a function": (
        """
        TABLE = {}

        def put(n):
            TABLE['x'] = n

        def fill():
            put(3)

        fill()

        def asset():
            return TABLE['x']
        """,
        "put(3)",
        "put(4)",
    ),
    "dict filled in place and changed later": (
        """
        TABLE = {}
        TABLE['x'] = 3

        def asset():
            TABLE['y'] = 1
            return TABLE['x']
        """,
        "= 3",
        "= 4",
    ),
    "dict filled in a loop": (
        """
        TABLE = {}
        for n in (1, 2):
            TABLE[n] = 1

        def asset():
            TABLE['y'] = 1
            return TABLE
        """,
        "(1, 2)",
        "(1, 3)",
    ),
    "two dicts filled by one statement": (
        """
        ONE, TWO = {}, {}

        def fill(n):
            ONE['x'] = n
            TWO['x'] = len(ONE)

        for n in (1, 2):
            ONE[n] = TWO[n] = 3
            fill(n)

        def asset():
            return ONE
        """,
        "= 3",
        "= 4",
    ),
    "argument of a registering decorator": (
        """
        TABLE = {}

        def plugin(weight):
            def keep(f):
                TABLE[f.__name__] = weight
                return f
            return keep

        @plugin(3)
        def one():
            return 1

        def asset():
            TABLE['y'] = 1
            return TABLE
        """,
        "plugin(3)",
        "plugin(4)",
    ),
    "function in a calling object": (
        """
        import functools

        class Logged:
            def __init__(self, f):
                functools.update_wrapper(self, f)
            def __call__(self, x):
                return self.__wrapped__(x)

        @Logged
        def helper(x):
            return x + 1

        def asset():
            return helper(1)
        """,
        "x + 1",
        "x + 2",
    ),
    "calling object": (
        """
        import functools

        class Logged:
            def __init__(self, f):
                functools.update_wrapper(self, f)
            def __call__(self, x):
                return self.__wrapped__(x)

        @Logged
        @Logged
        def helper(x):
            return x + 1

        def asset():
            return helper(1)
        """,
        "return self.__wrapped__(x)",
        "return self.__wrapped__(x) + 1",
    ),
    "function in a calling object that counts": (
        """
        import functools

        class Counted:
            def __init__(self, f):
                functools.update_wrapper(self, f)
                self.n = 0
            def __call__(self, x):
                self.n += 1
                return self.__wrapped__(x)

        @Counted
        def helper(x):
            return x + 1

        def asset():
            return helper(1)
        """,
        "x + 1",
        "x + 2",
    ),
    "singledispatchmethod": (
        """
        import functools

        class Show:
            @functools.singledispatchmethod
            def of(self, x):
                return 'any'
            @of.register
            def _(self, x: int):
                return 'int'

        def asset():
            return Show().of(1)
        """,
        "'int'",
        "'integer'",
    ),
    "singledispatchmethod of anything": (
        """
        import functools

        class Show:
            @functools.singledispatchmethod
            def of(self, x):
                return 'any'

        def asset():
            return Show().of(1)
        """,
        "'any'",
        "'all'",
    ),
    "wrapped pinned function": (
        """
        import functools
        from nacre.version.code import stable

        def keep(f):
            @functools.wraps(f)
            def call():
                return f() + 1
            return call

        @keep
        @stable
        def helper():
            return 1

        def asset():
            return helper()
        """,
        "f() + 1",
        "f() + 2",
    ),
}

# The same for edits that do not count.
SAME = {
    "class with a key": (
        """
        class Model:
            __fp_key__ = 'v1'
            size = 3

        def asset():
            return Model.size
        """,
        "size = 3",
        "size = 4",
    ),
    "description of a wrapped function": (
        """
        import functools

        class Logged:
            def __init__(self, f):
                functools.update_wrapper(self, f)
            def __call__(self, x):
                return self.__wrapped__(x)

        @Logged
        def helper(x):
            'One.'
            return x + 1

        def asset():
            return helper(1)
        """,
        "'One.'",
        "'Another.'",
    ),
    "attribute of another class": (
        """
        class Model:
            pass

        class Other:
            pass

        Other.limit = 3

        def asset():
            return Model
        """,
        "limit = 3",
        "limit = 4",
    ),
    "a script's own block": (
        """
        SEEN = {}

        def fill():
            SEEN['x'] = 1

        def asset():
            return SEEN

        if __name__ == '__main__':
            fill()
        """,
        "    fill()",
        "    fill(), fill()",
    ),
    "a secret": (
        """
        import pydantic
        token = pydantic.SecretStr('a')

        def asset():
            return token
        """,
        "'a'",
        "'b'",
    ),
}

# Modules whose asset changes what it reaches when it runs.
STATE = {
    "counter of a class": """
    class Model:
        n = 0
        def up(self):
            type(self).n += 1

    def asset():
        Model().up()
        return Model.n
    """,
    "counter on a class": """
    class Model:
        n = 0

    def asset():
        Model.n += 1
        return Model.n
    """,
    "dict filled at import": """
    SEEN = {}

    def fill(n):
        SEEN[n] = n

    fill(1)

    def asset():
        fill(len(SEEN))
    """,
    "calling object": """
    class Counted:
        def __init__(self, f):
            self.f, self.n = f, 0
        def __call__(self):
            self.n += 1
            return self.f()

    @Counted
    def helper():
        return 1

    def asset():
        return helper()
    """,
    "registry of a class": """
    class Base:
        known = []
        def __init__(self):
            self.known.append(1)

    def asset():
        return Base().known
    """,
    "iterator": """
    answers = iter([1, 2])

    def asset():
        return next(answers)
    """,
}
