"""Says what it works on, and ends as the test tells it to."""
import sys


def work(body: bytes):
    print(body.decode(), flush=True)
    if sys.stdin.readline() != 'done\n':
        raise Exception('the test wants the work to fail')
