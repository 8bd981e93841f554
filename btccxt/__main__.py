"""``python -m btccxt``."""

from btccxt.cli import main

if __name__ == "__main__":
    main()
