"""``python -m nacre``: the command line."""

from nacre.cli.main import main

if __name__ == "__main__":
    main()
